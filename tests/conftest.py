"""One throw-away Airflow for all tests: its settings first, its database only where a test asks for it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .dag_run import RunDag

HOME = Path(tempfile.mkdtemp(prefix="grok-tests-airflow-"))


def _settle() -> None:
    """Point Airflow at a home of its own; whatever the caller's shell says of another Airflow does not count."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    (HOME / "dags").mkdir()
    os.environ.update(
        AIRFLOW_HOME=str(HOME),
        # `dag.test()` reads the whole folder again before every run, so it is empty: tests hand their DAG over.
        AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
        AIRFLOW__API_AUTH__JWT_SECRET=secrets.token_hex(64),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME / 'airflow.db'}",
        AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(HOME / "logs"),
        AIRFLOW__LOGGING__COLORED_CONSOLE_LOG="False",
        AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
    )


_settle()


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Migrate the database, once and only if somebody needs it: it takes four seconds."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(
    airflow_database: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[RunDag]:
    """Run a DAG by `dag.test()` against a strict, quick sandbox of its own: `run_dag(dag)`, as often as a test likes.

    The sandbox is `run_dag.sandbox`: its faults, clock, journal, ledger.
    """
    from airflow_provider_grok.sandbox.server import Sandbox

    from .dag_run import RunDag

    with Sandbox(strict=True, image_seconds=0.01, video_seconds=0.01, batch_seconds=0.01) as sandbox:
        # Nothing takes long here, so neither does the search for what a lost answer may have made.
        connection = {
            "conn_type": "grok",
            "host": sandbox.url,
            "password": sandbox.api_key,
            "extra": {"recovery_wait": 1},
        }
        monkeypatch.setenv("AIRFLOW_CONN_GROK_DEFAULT", json.dumps(connection))
        yield RunDag(sandbox, capfd)
