"""One distributed Airflow and two sandboxes for all tests here: starting them takes longer than most tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.meddling import Person
from tests.e2e.sandbox import SandboxProcess

from .broker import Broker
from .database import Database
from .live import PATIENCE, DistributedAirflow

#: Seconds that a batch takes whose results have to be copied.
COPIES_SECONDS = 60


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A strict sandbox in which everything takes two seconds."""
    options = ("--image-seconds", "2", "--batch-seconds", "2")
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), *options) as running:
        yield running


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A strict sandbox whose batches store nothing, so that their results have to be copied."""
    options = ("--no-batch-storage", "--batch-seconds", str(COPIES_SECONDS))
    with SandboxProcess(tmp_path_factory.mktemp("copies"), *options) as running:
        yield running


@pytest.fixture(scope="session")
def airflow(
    sandbox: SandboxProcess, copies: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DistributedAirflow]:
    """Two workers, two triggerers and what they need; pytest keeps their logs a while."""
    home = tmp_path_factory.mktemp("airflow")
    with (
        Database() as database,
        Broker() as broker,
        DistributedAirflow(database=database, broker=broker, home=home) as running,
    ):
        running.add_connection("grok_default", sandbox.connection)
        running.add_connection("grok_copies", copies.connection)
        yield running


@pytest.fixture(scope="session")
def person(airflow: DistributedAirflow, sandbox: SandboxProcess) -> Person:
    """Somebody who starts runs, marks tasks and reads the sandbox's books."""
    return Person(airflow, sandbox, patience=PATIENCE)
