"""Two Celery workers: who makes what does not matter, and what one leaves undone the other finishes, at no cost."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e.meddling import Person
from tests.e2e.rest import until
from tests.e2e.sandbox import KEY, SandboxProcess

from .conftest import COPIES_SECONDS
from .live import PATIENCE, WORKERS, DistributedAirflow

EDITS, HOLD, COPIES = "order_edits", "order_hold", "order_copies"
MAPPED = 20


@pytest.fixture(scope="module")
def edits(person: Person, airflow: DistributedAirflow) -> str:
    """A run with twenty mapped edits, waited for."""
    run = person.start(EDITS, "edits")
    airflow.wait(EDITS, run, timeout=300)
    return run


def test_edits_spread_over_both_workers_all_succeed(airflow: DistributedAirflow, edits: str) -> None:
    assert Counter(airflow.states(EDITS, edits).values()) == {"success": MAPPED + 1}
    assert [worker for worker in WORKERS if airflow.machine_log(worker, edits)] == list(WORKERS)


def test_each_edit_is_charged_once_and_gives_a_file_of_its_own(
    airflow: DistributedAirflow, sandbox: SandboxProcess, edits: str
) -> None:
    charges = [charge for charge in sandbox.charges() if charge["endpoint"] == "/v1/images/edits"]
    assert len({charge["id"] for charge in charges}) == len(charges) == MAPPED
    assert len({airflow.xcom(EDITS, edits, "work", map_index=index) for index in range(MAPPED)}) == MAPPED


def test_the_photo_is_uploaded_once(person: Person, airflow: DistributedAirflow, edits: str) -> None:
    assert person.files("coffee") == {airflow.xcom(EDITS, edits, "upload")}


def test_the_other_worker_goes_back_to_the_job_of_a_killed_one(person: Person, airflow: DistributedAirflow) -> None:
    with person.stopped_clock():
        run = person.start(HOLD, "worker-killed")
        job = person.record(HOLD, run)["job_id"]
        first = airflow.worker_of(HOLD, run)
        with airflow.dead(first):
            second = airflow.wait_for_other_worker(first, HOLD, run)
            person.sandbox.run_clock(1)
            assert airflow.wait(HOLD, run, PATIENCE) == "success"
    assert {first, second} == set(WORKERS)
    assert f"Going back to image job {job}" in airflow.machine_log(second, run)
    assert person.billed(run) == 1
    assert person.files(run) == {airflow.xcom(HOLD, run, "work")}


def test_the_other_worker_copies_only_what_a_killed_one_had_not(
    airflow: DistributedAirflow, copies: SandboxProcess
) -> None:
    person = Person(airflow, copies, patience=PATIENCE)
    with person.stopped_clock():
        run = person.start(COPIES, "half-kept", until_state="running")
        person.wait_until_watched(airflow.xcom(COPIES, run, "batch"))
        copies.advance(COPIES_SECONDS * 0.6)
        _wait_for_rows(airflow, run, 3)
        assert len(copies.requests("POST", "/v1/files")) == 3
        first = airflow.worker_of(COPIES, run)
        with airflow.dead(first):
            second = airflow.wait_for_other_worker(first, COPIES, run)
            copies.advance(COPIES_SECONDS)
            assert airflow.wait(COPIES, run, PATIENCE) == "success"
    assert {first, second} == set(WORKERS)
    assert "3 results were kept before" in airflow.machine_log(second, run)
    kept = airflow.xcom(COPIES, run, "work")
    assert len(set(kept)) == len(kept) == 6
    # Three more, and the manifest.
    assert len(copies.requests("POST", "/v1/files")) == 3 + 3 + 1
    # On the wire a row's id bears a digest of its content.
    charged = [charge["id"].rpartition(".")[0] for charge in copies.charges()]
    assert sorted(charged) == [f"{run}-{view}" for view in range(6)]


def test_the_key_is_in_no_log_of_any_machine(airflow: DistributedAirflow) -> None:
    assert [str(file) for file in airflow.files() if KEY.encode() in file.read_bytes()] == []


def test_no_worker_sent_a_field_the_api_does_not_know(sandbox: SandboxProcess, copies: SandboxProcess) -> None:
    assert [entry for entry in (*sandbox.requests(), *copies.requests()) if entry["unknown"]] == []


def _wait_for_rows(airflow: DistributedAirflow, run: str, count: int) -> None:
    """Wait until a persist remembers so many results."""

    def kept() -> bool | None:
        return airflow.state_store(COPIES, run, "work").get("grok.persist", {}).get("rows") == count or None

    until(kept, PATIENCE, lambda: f"not {count} rows: {airflow.state_store(COPIES, run, 'work')}")
