"""Photos times styles: one task and one charge for each pair; what the rules refuse is skipped alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "product_variants.py"


def test_every_photo_meets_every_style_and_a_refused_pair_is_skipped_alone(run_dag: RunDag) -> None:
    run_dag.sandbox.faults.add({"method": "POST", "path": "/v1/images/edits", "action": {"moderate": True}})
    run = run_dag(FILE)
    assert run.state == "success"
    photos = run.xcom("upload")
    assert len(photos) == len(run.requests("POST", "/v1/files")) == 2
    pairs = {
        (one["json"]["image"]["file_id"], one["json"]["prompt"]) for one in run.requests("POST", "/v1/images/edits")
    }
    assert len(pairs) == 6
    assert {photo for photo, _ in pairs} == set(photos)
    states = [run.states[f"variant[{index}]"] for index in range(6)]
    assert sorted(states, key=str) == ["skipped", *["success"] * 5]
    made = [run.xcom(f"variant[{index}]") for index in range(6)]
    links = [run.xcom(f"variant[{index}]", "public_url") for index in range(6)]
    assert len({file_id for file_id in made if file_id}) == len({link for link in links if link}) == 5
