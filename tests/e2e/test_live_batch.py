"""A batch in four processes of Airflow whose links die long before its last result is made: nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from .live import LiveAirflow
from .sandbox import SandboxProcess

DAG = "kept_batch"
REQUESTS = 60
#: The batch takes two and a half hours, and links live one; by the sandbox's clock 150 seconds and 60.
HOURS, RATE = 2.5, 60


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A strict sandbox whose batches store nothing, on a fast clock."""
    options = ("--no-batch-storage", "--batch-seconds", str(HOURS * 3600), "--clock-rate", str(RATE))
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), *options) as running:
        yield running


@pytest.fixture(scope="module")
def run(airflow: LiveAirflow) -> str:
    """One run, waited for."""
    started = airflow.trigger(DAG)
    airflow.wait(DAG, started, timeout=400)
    return started


def test_all_tasks_succeed_at_the_first_try(airflow: LiveAirflow, run: str) -> None:
    assert Counter(airflow.states(DAG, run).values()) == {"success": 3}
    assert {found["try_number"] for found in airflow.task_instances(DAG, run)} == {1}


def test_every_result_is_kept_in_request_order(airflow: LiveAirflow, sandbox: SandboxProcess, run: str) -> None:
    ids = airflow.xcom(DAG, run, "keep")
    assert len(ids) == len(set(ids)) == REQUESTS
    names = [_get(sandbox, f"/files/{file_id}").json()["filename"] for file_id in ids]
    assert [name.split(".")[-3] for name in names] == [f"cup-{number}" for number in range(REQUESTS)]
    assert all(_get(sandbox, f"/files/{file_id}/content").content[:2] == b"\xff\xd8" for file_id in ids)


def test_the_receipt_counts_what_was_kept(airflow: LiveAirflow, run: str) -> None:
    assert airflow.xcom(DAG, run, "keep", "receipt")["counts"] == {"requests": REQUESTS, "kept": REQUESTS}


@pytest.mark.usefixtures("run")
def test_every_request_is_charged_once(sandbox: SandboxProcess) -> None:
    charges = sandbox.charges()
    ids = [charge["id"].rpartition(".")[0] for charge in charges]
    assert sorted(ids) == sorted(f"cup-{number}" for number in range(REQUESTS))


@pytest.mark.usefixtures("run")
def test_results_were_kept_while_the_batch_was_running(sandbox: SandboxProcess) -> None:
    paths = [(entry["method"], entry["path"]) for entry in sandbox.requests()]
    first_copy = paths.index(("POST", "/v1/files"), paths.index(("POST", "/v1/batches")))
    looks_after = [path for method, path in paths[first_copy:] if method == "GET" and path.startswith("/v1/batches/")]
    assert len(looks_after) > 3


def _get(sandbox: SandboxProcess, path: str) -> httpx.Response:
    return httpx.get(sandbox.url + path, headers={"authorization": "Bearer xai-sandbox"})
