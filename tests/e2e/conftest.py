"""Live stacks for the tests here: one sandbox and one Airflow per test module, both in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .live import LiveAirflow, migrated_database
from .sandbox import SandboxProcess


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated Airflow database to copy: migrating takes seven seconds."""
    return migrated_database(tmp_path_factory.mktemp("airflow-database"))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A strict sandbox in its own process, on real time."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(
    airflow_database: Path, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveAirflow]:
    """Four processes of Airflow whose connection `grok_default` is the sandbox; pytest keeps their logs a while."""
    home = tmp_path_factory.mktemp("airflow")
    connections = {"grok_default": sandbox.connection}
    with LiveAirflow(database=airflow_database, connections=connections, home=home) as running:
        yield running
