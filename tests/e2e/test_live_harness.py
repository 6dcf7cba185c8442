"""The harness itself: four processes that run, die and come back, with a DAG that knows nothing of this provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .live import COMPONENTS, LiveAirflow

DAG = "plain_wait"


@pytest.fixture(scope="module")
def plain_airflow(airflow_database: Path) -> Iterator[LiveAirflow]:
    """An Airflow without any connection."""
    with LiveAirflow(database=airflow_database) as running:
        yield running


def test_a_run_waits_on_the_triggerer_and_succeeds(plain_airflow: LiveAirflow) -> None:
    run = plain_airflow.trigger(DAG)
    plain_airflow.wait_for_task(DAG, run, "wait", {"deferred"})
    assert plain_airflow.wait(DAG, run) == "success"
    assert set(plain_airflow.states(DAG, run)) == {"wait", "run[0]", "run[1]", "run[2]"}
    assert plain_airflow.xcom(DAG, run, "run", map_index=1) == "two"
    assert "two" in plain_airflow.logs(DAG, run, "run", map_index=1)


def test_the_death_of_a_task_and_of_its_worker_is_noticed_and_tried_again(plain_airflow: LiveAirflow) -> None:
    run = plain_airflow.trigger(DAG, {"sleep": 30})
    for attempt, worker in enumerate((False, True), start=1):
        plain_airflow.wait_for_task(DAG, run, "run", {"running"}, map_index=2)
        plain_airflow.kill_task(DAG, run, "run", 2, worker=worker)
        found = plain_airflow.wait_for_task(DAG, run, "run", {"up_for_retry", "scheduled", "queued"}, map_index=2)
        assert found["try_number"] in (attempt, attempt + 1)
    plain_airflow.set_run_state(DAG, run, "failed")
    assert plain_airflow.wait(DAG, run) == "failed"


def test_a_deferred_task_outlives_its_triggerer(plain_airflow: LiveAirflow) -> None:
    run = plain_airflow.trigger(DAG)
    plain_airflow.wait_for_task(DAG, run, "wait", {"deferred"})
    plain_airflow.kill("triggerer")
    plain_airflow.start("triggerer")
    assert plain_airflow.wait(DAG, run) == "success"


def test_a_run_outlives_its_scheduler(plain_airflow: LiveAirflow) -> None:
    run = plain_airflow.trigger(DAG, {"sleep": 3})
    plain_airflow.wait_for_task(DAG, run, "run", {"running"}, map_index=2)
    plain_airflow.kill("scheduler")
    plain_airflow.start("scheduler")
    assert plain_airflow.wait(DAG, run) == "success"


def test_a_finished_task_can_be_cleared_and_marked(plain_airflow: LiveAirflow) -> None:
    run = plain_airflow.trigger(DAG)
    plain_airflow.wait(DAG, run)
    plain_airflow.clear(DAG, run, [("run", 0)])
    assert plain_airflow.wait(DAG, run) == "success"
    tries = {found["map_index"]: found["try_number"] for found in plain_airflow.task_instances(DAG, run)}
    assert tries == {-1: 1, 0: 2, 1: 1, 2: 1}
    plain_airflow.set_state(DAG, run, "run", "failed", 1)
    assert plain_airflow.states(DAG, run)["run[1]"] == "failed"
    plain_airflow.delete_run(DAG, run)


def test_two_stacks_run_beside_each_other_and_leave_nothing_behind(
    plain_airflow: LiveAirflow, airflow_database: Path
) -> None:
    with LiveAirflow(database=airflow_database) as second:
        members = [member for component in COMPONENTS for member in second.processes[component].members()]
        assert second.wait(DAG, second.trigger(DAG)) == "success"
    assert not any(member.is_running() for member in members)
    assert not second.home.exists()
    assert plain_airflow.wait(DAG, plain_airflow.trigger(DAG)) == "success"
