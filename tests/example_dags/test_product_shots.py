"""The main example: one upload, fifteen edits by file id, fifteen links; and what a second run saves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "product_shots.py"


def test_one_photo_becomes_fifteen_shared_pictures_and_a_second_run_uploads_nothing(run_dag: RunDag) -> None:
    first = run_dag(FILE)
    assert first.state == "success"
    assert len(first.requests("POST", "/v1/files")) == 1
    edits = first.requests("POST", "/v1/images/edits")
    assert len(edits) == len(first.charges) == 15
    assert all(one["request_bytes"] < 1000 for one in edits), "an edit names its source by id"
    links = first.xcom("share")
    assert len(set(links)) == 15
    review = first.xcom("share", "review_markdown")
    assert all(link in review for link in links)
    made = [first.xcom(f"edit[{index}]") for index in range(12)]
    chain = [first.xcom(f"refine_{number}") for number in (1, 2, 3)]
    assert [row["file_id"] for row in first.xcom("share", "receipt")["files"]] == made + chain
    sources = [first.xcom(f"refine_{number}", "receipt")["request"]["sources"] for number in (1, 2, 3)]
    assert sources == [[first.xcom("upload")], [chain[0]], [chain[1]]]

    second = run_dag(FILE, mark_success_pattern="edit|refine_.|share")
    assert second.state == "success"
    assert second.requests("POST", "/v1/files") == []
    assert "is stored already, with the same content" in second.log
    assert second.xcom("upload") == first.xcom("upload")
    assert second.xcom("upload", "receipt")["reused"] is True
