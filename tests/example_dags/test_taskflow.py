"""`@task` and the hook: the same ids, links and charges, and a retry that buys only what is missing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.dag_run import load

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "taskflow.py"


def test_a_retry_buys_only_what_is_missing(run_dag: RunDag) -> None:
    # The second look fails at first, so that the first try of `edit` ends with one picture made.
    run_dag.sandbox.faults.add({"method": "POST", "path": "/v1/images/edits", "skip": 1, "action": {"status": 503}})
    dag = load(FILE)
    dag.get_task("edit").retry_delay = timedelta(0)
    run = run_dag(dag)
    assert run.state == "success"
    looks, links = run.xcom("edit"), run.xcom("share")
    assert set(looks) == set(links) == {"slate", "snow"}
    assert len(set(looks.values())) == len(run.charges) == 2
    assert len(run.requests("POST", "/v1/files")) == 1
    photos = {one["json"]["image"]["file_id"] for one in run.requests("POST", "/v1/images/edits")}
    assert photos == {run.xcom("upload")}
