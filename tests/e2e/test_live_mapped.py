"""Twenty deferred, mapped edits, and as many videos, in four processes of Airflow: all succeed, each paid for once.

`LIVE_RUNS=10 uv run pytest tests/e2e/test_live_mapped.py` repeats each DAG ten times; once is the default.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

import pytest

from .live import LiveAirflow
from .sandbox import KEY, SandboxProcess

MAPPED = 20
RUNS = int(os.environ.get("LIVE_RUNS", "1"))


@dataclass(frozen=True)
class Done:
    """The runs of one DAG, each waited for.

    :param dag: the DAG
    :param task: its mapped task
    :param endpoint: the paid API path of that task
    :param runs: run ids
    """

    dag: str
    task: str
    endpoint: str
    runs: tuple[str, ...]


@pytest.fixture(
    scope="module",
    params=[("mapped_edits", "edit", "/v1/images/edits"), ("mapped_videos", "animate", "/v1/videos/generations")],
    ids=["images", "videos"],
)
def done(airflow: LiveAirflow, request: pytest.FixtureRequest) -> Done:
    """All runs of a DAG, one after another."""
    dag, task, endpoint = request.param
    runs = []
    for _ in range(RUNS):
        run = airflow.trigger(dag)
        airflow.wait(dag, run, timeout=300)
        runs.append(run)
    return Done(dag, task, endpoint, tuple(runs))


def test_every_task_instance_of_every_run_succeeds(airflow: LiveAirflow, done: Done) -> None:
    for run in done.runs:
        assert Counter(airflow.states(done.dag, run).values()) == {"success": MAPPED + 1}


def test_every_task_instance_needs_one_try(airflow: LiveAirflow, done: Done) -> None:
    for run in done.runs:
        assert {found["try_number"] for found in airflow.task_instances(done.dag, run)} == {1}


def test_every_asset_is_charged_exactly_once(airflow: LiveAirflow, sandbox: SandboxProcess, done: Done) -> None:
    charges = [charge for charge in sandbox.charges() if charge["endpoint"] == done.endpoint]
    assert len(charges) == MAPPED * RUNS
    assert len({charge["id"] for charge in charges}) == MAPPED * RUNS
    receipts = [
        airflow.xcom(done.dag, run, done.task, "receipt", index) for run in done.runs for index in range(MAPPED)
    ]
    billed = sum(receipt["usage"]["cost_in_usd_ticks"] for receipt in receipts)
    assert billed == sum(charge["ticks"] for charge in charges)


def test_every_task_instance_returns_a_file_of_its_own(airflow: LiveAirflow, done: Done) -> None:
    files = [airflow.xcom(done.dag, run, done.task, map_index=index) for run in done.runs for index in range(MAPPED)]
    assert all(isinstance(file, str) for file in files)
    assert len(set(files)) == MAPPED * RUNS


def test_the_photo_is_uploaded_once_for_all_runs(airflow: LiveAirflow, sandbox: SandboxProcess, done: Done) -> None:
    assert len(sandbox.requests("POST", "/v1/files")) == 1
    assert len({airflow.xcom(done.dag, run, "upload") for run in done.runs}) == 1


@pytest.mark.usefixtures("done")
def test_no_request_has_a_field_the_api_does_not_know(sandbox: SandboxProcess) -> None:
    assert [entry for entry in sandbox.requests() if entry["unknown"]] == []


@pytest.mark.usefixtures("done")
def test_the_key_is_in_no_log_and_not_in_the_database(airflow: LiveAirflow) -> None:
    assert [str(file) for file in airflow.files() if KEY.encode() in file.read_bytes()] == []
