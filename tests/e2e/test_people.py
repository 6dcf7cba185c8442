"""What clearing, marking, changing and running again costs: what is billed, what is cancelled, what is adopted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .live import LiveAirflow
from .meddling import Person
from .rest import until
from .sandbox import SandboxProcess

WAIT, HOLD, MAP, BATCH = "people_wait", "people_hold", "people_map", "people_batch"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A strict sandbox in which everything takes two seconds."""
    options = ("--image-seconds", "2", "--batch-seconds", "2")
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), *options) as running:
        yield running


@pytest.fixture(scope="module")
def person(airflow: LiveAirflow, sandbox: SandboxProcess) -> Person:
    """Somebody who meddles."""
    return Person(airflow, sandbox)


# -- clear -------------------------------------------------------------------------------------------------------------


def test_clearing_a_running_task_takes_up_its_job(person: Person, airflow: LiveAirflow) -> None:
    with person.stopped_clock():
        run = person.start(HOLD, "running", until_state="running")
        job = person.record(HOLD, run)["job_id"]
        airflow.clear(HOLD, run, ["work"])
        _wait_for_try(airflow, HOLD, run, 2)
    person.again(HOLD, run, tries=2)
    assert person.billed("running") == 1
    assert f"Going back to image job {job}" in airflow.logs(HOLD, run, "work", 2)


def test_clearing_a_deferred_task_takes_up_its_job(person: Person, airflow: LiveAirflow) -> None:
    with person.stopped_clock():
        run = person.start(WAIT, "deferred", until_state="deferred")
        airflow.clear(WAIT, run, ["work"])
        _wait_for_try(airflow, WAIT, run, 2)
    person.again(WAIT, run, tries=2)
    assert person.billed("deferred") == 1
    assert person.files("deferred") == {airflow.xcom(WAIT, run, "work")}


@pytest.mark.parametrize(("reuse", "pictures"), [("run", 1), ("attempt", 2), ("always", 1)])
def test_clearing_a_finished_task_buys_anew_only_where_that_was_asked_for(
    person: Person, airflow: LiveAirflow, reuse: str, pictures: int
) -> None:
    case = f"finished-{reuse}"
    run = person.finished(WAIT, case, reuse=reuse)
    first = airflow.xcom(WAIT, run, "work")
    airflow.clear(WAIT, run, ["work"])
    person.again(WAIT, run, tries=2)
    assert person.billed(case) == len(person.files(case)) == pictures
    assert (airflow.xcom(WAIT, run, "work") == first) is (pictures == 1)
    assert airflow.xcom(WAIT, run, "work", "receipt")["reused"] is (pictures == 1)


def test_clearing_a_task_that_came_to_nothing_buys_again(
    person: Person, airflow: LiveAirflow, sandbox: SandboxProcess
) -> None:
    sandbox.fault("POST", "/v1/images/*", {"fail": "internal_error"})
    run = person.start(WAIT, "failed")
    assert airflow.wait(WAIT, run) == "failed"
    airflow.clear(WAIT, run, ["work"])
    person.again(WAIT, run, tries=2)
    assert person.billed("failed") == 2
    assert len(person.files("failed")) == 1


@pytest.mark.parametrize(("reuse", "pictures"), [("run", 3), ("attempt", 4)])
def test_clearing_one_mapped_index_leaves_the_others_alone(
    person: Person, airflow: LiveAirflow, reuse: str, pictures: int
) -> None:
    case = f"mapped-{reuse}"
    run = person.finished(MAP, case, reuse=reuse)
    before = [airflow.xcom(MAP, run, "work", map_index=index) for index in range(3)]
    airflow.clear(MAP, run, [("work", 1)])
    person.again(MAP, run, tries=2, map_index=1)
    after = [airflow.xcom(MAP, run, "work", map_index=index) for index in range(3)]
    assert person.billed(case) == pictures
    assert [now == then for now, then in zip(after, before, strict=True)] == [True, pictures == 3, True]


def test_a_changed_prompt_is_a_new_purchase_and_the_log_says_so(person: Person, airflow: LiveAirflow) -> None:
    run = person.finished(WAIT, "changed")
    airflow.set_variable("wish_changed", "in red")
    airflow.clear(WAIT, run, ["work"])
    person.again(WAIT, run, tries=2)
    assert person.billed("changed") == 2
    assert "this is a new purchase" in airflow.logs(WAIT, run, "work", 2)


# -- run again ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reuse", "pictures"), [("run", 3), ("attempt", 6), ("always", 3)])
def test_clearing_a_whole_run_is_clearing_each_of_its_tasks(
    person: Person, airflow: LiveAirflow, reuse: str, pictures: int
) -> None:
    case = f"rerun-{reuse}"
    run = person.finished(MAP, case, reuse=reuse)
    airflow.clear_run(MAP, run)
    for index in range(3):
        person.again(MAP, run, tries=2, map_index=index)
    assert person.billed(case) == pictures


@pytest.mark.parametrize(("reuse", "pictures"), [("run", 2), ("attempt", 2), ("always", 1)])
def test_a_new_run_buys_unless_an_equal_request_anywhere_will_do(
    person: Person, airflow: LiveAirflow, reuse: str, pictures: int
) -> None:
    prompt = f"again-{reuse}"
    runs = [person.finished(WAIT, f"{prompt}-{day}", reuse=reuse, prompt=prompt) for day in ("monday", "tuesday")]
    assert person.billed(prompt) == pictures
    assert len({airflow.xcom(WAIT, run, "work") for run in runs}) == pictures


# -- mark --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_picture_goes_on_when_its_deferred_task_is_marked_and_a_clear_adopts_it(
    person: Person, airflow: LiveAirflow, state: str
) -> None:
    case = f"marked-{state}"
    with person.stopped_clock():
        run = person.start(WAIT, case, until_state="deferred")
        person.wait_until_watched(person.record(WAIT, run)["job_id"])
        airflow.set_state(WAIT, run, "work", state)
        assert airflow.wait(WAIT, run) == state
        _wait_for_log(airflow, "cannot be cancelled: it will be billed", case)
    person.wait_until_stored(case)
    airflow.clear(WAIT, run, ["work"])
    person.again(WAIT, run, tries=2)
    assert person.billed(case) == 1
    assert person.files(case) == {airflow.xcom(WAIT, run, "work")}


def test_a_picture_goes_on_when_its_run_is_failed_and_a_clear_adopts_it(person: Person, airflow: LiveAirflow) -> None:
    with person.stopped_clock():
        run = person.start(WAIT, "killed-run", until_state="deferred")
        airflow.set_run_state(WAIT, run, "failed")
        assert airflow.wait(WAIT, run) == "failed"
    person.wait_until_stored("killed-run")
    airflow.clear_run(WAIT, run)
    person.again(WAIT, run, tries=2)
    assert person.billed("killed-run") == 1
    assert person.files("killed-run") == {airflow.xcom(WAIT, run, "work")}


# -- batches -----------------------------------------------------------------------------------------------------------


def test_marking_a_deferred_persist_failed_cancels_its_batch(person: Person, airflow: LiveAirflow) -> None:
    with person.stopped_clock():
        run = person.start(BATCH, "cancelled", until_state="deferred")
        person.wait_until_watched(airflow.xcom(BATCH, run, "batch"))
        airflow.set_state(BATCH, run, "work", "failed")
        until(lambda: _cancelled(person, "cancelled") or None, 60, lambda: airflow.tails())
    assert person.sandbox.charges() == [one for one in person.sandbox.charges() if "cancelled-" not in one["id"]]


def test_failing_the_run_of_a_deferred_persist_cancels_its_batch(person: Person, airflow: LiveAirflow) -> None:
    with person.stopped_clock():
        run = person.start(BATCH, "failed-run", until_state="deferred")
        person.wait_until_watched(airflow.xcom(BATCH, run, "batch"))
        airflow.set_run_state(BATCH, run, "failed")
        until(lambda: _cancelled(person, "failed-run") or None, 60, lambda: airflow.tails())


def test_clearing_a_deferred_persist_cancels_nothing(person: Person, airflow: LiveAirflow) -> None:
    with person.stopped_clock():
        run = person.start(BATCH, "cleared", until_state="deferred")
        person.wait_until_watched(airflow.xcom(BATCH, run, "batch"))
        airflow.clear(BATCH, run, ["work"])
        _wait_for_try(airflow, BATCH, run, 2)
    person.again(BATCH, run, tries=2)
    assert [batch.status(0) for batch in person.batches("cleared")] == ["finished"]
    assert len(airflow.xcom(BATCH, run, "work")) == 3
    assert sum(one["id"].startswith("cleared-") for one in person.sandbox.charges()) == 3


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_the_timeout_counts_from_the_submission_even_through_a_triggerer_restart(
    person: Person, airflow: LiveAirflow, airflow_database: Path
) -> None:
    with person.stopped_clock():
        run = person.start(WAIT, "late", until_state="deferred", timeout=45)
        record = person.record(WAIT, run)
        person.wait_until_watched(record["job_id"])
        airflow.kill("triggerer")
        airflow.start("triggerer")
        restarted = time.time() - record["at"]
        assert airflow.wait(WAIT, run) == "failed"
        waited = time.time() - record["at"]
    log = airflow.logs(WAIT, run, "work")
    assert 45 <= waited < restarted + 45, f"gave up {waited} s after the submission, restarted after {restarted} s"
    assert f"image job {record['job_id']} was not finished" in log
    assert f"its result will be stored in xAI Files as {record['name']}" in log
    person.wait_until_stored("late")
    airflow.clear(WAIT, run, ["work"])
    person.again(WAIT, run, tries=2)
    assert person.billed("late") == 1
    assert person.files("late") == {airflow.xcom(WAIT, run, "work")}


def _wait_for_try(airflow: LiveAirflow, dag: str, run: str, number: int) -> None:
    """Wait until the next try is where the last one was: waiting for its job."""

    def waits() -> bool | None:
        found = airflow.task_instance(dag, run, "work") or {}
        there = found.get("try_number") == number and found.get("state") in ("running", "deferred")
        return there or None

    until(waits, 60, lambda: f"{run} of {dag}: {airflow.states(dag, run)}")


def _wait_for_log(airflow: LiveAirflow, words: str, name: str) -> None:
    def told() -> bool | None:
        return any(words in line and name in line for line in airflow.log_text().splitlines()) or None

    until(told, 60, lambda: f"no log says {words!r} of {name}\n{airflow.tails()}")


def _cancelled(person: Person, case: str) -> bool:
    return [batch.status(0) for batch in person.batches(case)] == ["cancelled"]
