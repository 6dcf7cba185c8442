"""The pytest fixture `grok_sandbox`: a running stand-in for the API, for tests of your own DAGs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_grok.sandbox.server import Sandbox


@pytest.fixture
def grok_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Run a strict sandbox and let the connection `grok_default` point at it.

    Its time is `grok_sandbox.clock`, its bills `grok_sandbox.ledger`, its requests `grok_sandbox.journal`.
    """
    # Here, because every pytest run on a machine with this package loads this module.
    from airflow_provider_grok.sandbox.server import Sandbox

    with Sandbox(strict=True) as sandbox:
        connection = {"conn_type": "grok", "host": sandbox.url, "password": sandbox.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_GROK_DEFAULT", json.dumps(connection))
        yield sandbox
