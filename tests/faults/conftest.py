"""Fixtures of the fault tests: a sandbox in virtual time, a connection with little patience."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import connect
from tests.airflow_task import one_sandbox as one_sandbox
from tests.airflow_task import sandbox as sandbox
from tests.airflow_task import store as store
from tests.airflow_task import time as time


@pytest.fixture
def connect_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make the connection one that tries every call once."""
    return lambda: connect(monkeypatch, sandbox, max_attempts=1)
