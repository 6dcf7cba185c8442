"""One deferred wait through a real Airflow of whatever version is installed: run by `.ci/versions` on several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .live import LiveAirflow
from .sandbox import SandboxProcess

DAG = "one_deferred_wait"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox whose pictures take longer than the wait in place."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), "--image-seconds", "10") as running:
        yield running


@pytest.fixture(scope="module")
def airflow(sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    """An Airflow that reads no DAG but this one."""
    dags = tmp_path_factory.mktemp("dags")
    (dags / f"{DAG}.py").write_text((Path(__file__).parent / "dags" / f"{DAG}.py").read_text())
    home = tmp_path_factory.mktemp("airflow")
    with LiveAirflow(dags=dags, connections={"grok_default": sandbox.connection}, home=home) as running:
        yield running


def test_a_deferred_wait_ends_with_one_file_and_one_charge(airflow: LiveAirflow, sandbox: SandboxProcess) -> None:
    run = airflow.trigger(DAG)
    airflow.wait_for_task(DAG, run, "generate", {"deferred"})
    assert airflow.wait(DAG, run) == "success"
    (task,) = airflow.task_instances(DAG, run)
    assert task["try_number"] == 1
    assert airflow.xcom(DAG, run, "generate").startswith("file_")
    assert len(sandbox.charges()) == 1
