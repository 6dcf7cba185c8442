"""Two triggerers: what one holds the other takes over when it dies, and nothing is cancelled or paid twice by that."""

from __future__ import annotations

import pytest

from tests.e2e.meddling import Person
from tests.e2e.rest import until
from tests.e2e.sandbox import SandboxProcess

from .live import PATIENCE, TRIGGERERS, DistributedAirflow

WAIT, BATCH = "order_wait", "order_batch"


def test_the_other_triggerer_takes_over_from_a_killed_one(person: Person, airflow: DistributedAirflow) -> None:
    first, second = TRIGGERERS
    with person.stopped_clock():
        with airflow.frozen(second):
            picture = person.start(WAIT, "picture-moved", until_state="deferred")
            batch, batch_id = _deferred_batch(person, airflow, "batch-moved")
            airflow.wait_for_triggerer(first, WAIT, picture)
            airflow.wait_for_triggerer(first, BATCH, batch)
        with airflow.dead(first):
            airflow.wait_for_triggerer(second, WAIT, picture)
            airflow.wait_for_triggerer(second, BATCH, batch)
            person.wait_until_watched(batch_id)
            assert _statuses(person, batch) == ["running"]
            person.sandbox.run_clock(1)
            assert airflow.wait(WAIT, picture, PATIENCE) == airflow.wait(BATCH, batch, PATIENCE) == "success"
    assert person.billed(picture) == 1
    assert person.files(picture) == {airflow.xcom(WAIT, picture, "work")}
    _all_kept_and_charged_once(person, airflow, batch)


def test_a_triggerer_that_comes_back_after_losing_its_batch_does_not_cancel_it(
    person: Person, airflow: DistributedAirflow
) -> None:
    with person.stopped_clock():
        run, batch_id = _deferred_batch(person, airflow, "batch-returned")
        first = airflow.triggerer_of(BATCH, run)
        (second,) = set(TRIGGERERS) - {first}
        assert first is not None
        with airflow.frozen(first):
            airflow.wait_for_triggerer(second, BATCH, run)
            person.wait_until_watched(batch_id)
        _wait_for_log(airflow, first, run, f"batch {batch_id} is not cancelled")
        person.wait_until_watched(batch_id)
        assert _statuses(person, run) == ["running"]
    assert airflow.wait(BATCH, run, PATIENCE) == "success"
    _all_kept_and_charged_once(person, airflow, run)


@pytest.mark.parametrize("holder", TRIGGERERS)
def test_marking_a_deferred_persist_failed_cancels_its_batch(
    person: Person, airflow: DistributedAirflow, holder: str
) -> None:
    (other,) = set(TRIGGERERS) - {holder}
    with person.stopped_clock():
        with airflow.frozen(other):
            run, _ = _deferred_batch(person, airflow, f"cancelled-on-{holder}")
            airflow.wait_for_triggerer(holder, BATCH, run)
        airflow.set_state(BATCH, run, "work", "failed")
        until(lambda: _statuses(person, run) == ["cancelled"] or None, PATIENCE, lambda: airflow.tails())
    assert [charge for charge in person.sandbox.charges() if charge["id"].startswith(f"{run}-")] == []


def test_no_triggerer_sent_a_field_the_api_does_not_know(sandbox: SandboxProcess) -> None:
    assert [entry for entry in sandbox.requests() if entry["unknown"]] == []


def _deferred_batch(person: Person, airflow: DistributedAirflow, case: str) -> tuple[str, str]:
    """Start a batch, and return its run and its id when a triggerer has looked at it."""
    run = person.start(BATCH, case, until_state="deferred")
    batch_id = airflow.xcom(BATCH, run, "batch")
    person.wait_until_watched(batch_id)
    return run, str(batch_id)


def _statuses(person: Person, case: str) -> list[str]:
    return [batch.status(0) for batch in person.batches(case)]


def _all_kept_and_charged_once(person: Person, airflow: DistributedAirflow, run: str) -> None:
    assert len(set(airflow.xcom(BATCH, run, "work"))) == 3
    charged = [charge["id"] for charge in person.sandbox.charges() if charge["id"].startswith(f"{run}-")]
    # On the wire a row's id bears a digest of its content.
    assert sorted(id.rpartition(".")[0] for id in charged) == [f"{run}-{view}" for view in range(3)]


def _wait_for_log(airflow: DistributedAirflow, machine: str, run: str, words: str) -> None:
    def told() -> bool | None:
        return words in airflow.machine_log(machine, run) or None

    until(told, PATIENCE, lambda: f"no log on {machine} says {words!r}:\n{airflow.machine_log(machine, run)}")
