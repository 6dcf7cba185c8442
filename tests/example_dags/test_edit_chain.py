"""A chain of edits: each on the last result, and only the last one shared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "edit_chain.py"


def test_each_step_edits_the_last_result_and_only_the_end_is_shared(run_dag: RunDag) -> None:
    run = run_dag(FILE)
    assert run.state == "success"
    made = [run.xcom(task) for task in ("upload", "retouch", "relight", "finish")]
    assert len(set(made)) == 4
    edits = [one["json"] for one in run.requests("POST", "/v1/images/edits")]
    assert [edit["image"] for edit in edits] == [{"file_id": file_id} for file_id in made[:3]]
    assert len(run.charges) == 3
    assert run.xcom("retouch", "public_url") is None
    link = run.xcom("finish", "public_url")
    assert "coffee-campaign." in run.xcom("finish", "receipt")["files"][0]["filename"]
    assert [card for card in edits if "public_url" in card["storage_options"]] == edits[2:]
    assert link.startswith("http")
