"""When some pictures fail: the rest is used, and the report is written either way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "partial_failure.py"
ADD = {"method": "POST", "path": "/v1/batches/*/requests"}
EDIT = {"method": "POST", "path": "/v1/images/edits"}


def test_what_fails_on_purpose_costs_nothing_and_the_rest_is_used(run_dag: RunDag) -> None:
    run = run_dag(FILE)
    assert run.state == "success"
    assert run.xcom("report") == {"requests": 7, "kept": 6, "failed": 1}
    assert (run.xcom("publish"), len(run.xcom("share"))) == (6, 3)
    assert (run.states["large"], run.states["small"]) == ("failed", "success")
    assert run.xcom("large", "receipt")["usage"]["cost_in_usd_ticks"] == 0
    assert len(run.charges) == 10
    assert sum(charge["ticks"] for charge in run.charges) == 4_900_000_000


def test_a_few_refused_pictures_are_left_out_and_reported(run_dag: RunDag) -> None:
    run_dag.sandbox.faults.add({**ADD, "only": ["tram"], "action": {"moderate": True}})
    run_dag.sandbox.faults.add({**EDIT, "skip": 1, "action": {"moderate": True}})
    run = run_dag(FILE)
    assert run.state == "success"
    assert run.xcom("report") == {"requests": 7, "kept": 5, "failed": 1, "moderated": 1}
    assert (run.xcom("publish"), len(run.xcom("share"))) == (5, 2)
    assert sorted(str(run.states[f"edit[{index}]"]) for index in range(3)) == ["skipped", "success", "success"]


def test_too_many_refused_pictures_fail_the_task_and_are_reported_all_the_same(run_dag: RunDag) -> None:
    run_dag.sandbox.faults.add({**ADD, "only": ["tram", "boat"], "action": {"moderate": True}})
    run = run_dag(FILE)
    assert (run.states["persist"], run.states["publish"]) == ("failed", "upstream_failed")
    assert run.xcom("report") == {"requests": 7, "kept": 4, "failed": 1, "moderated": 2}
    assert len(run.xcom("persist")) == 4
