"""Fixtures of the flows' and hooks' tests: a task that buys by either driver."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time
from tests.airflow_task import one_sandbox as one_sandbox
from tests.airflow_task import sandbox as sandbox
from tests.airflow_task import slow as slow
from tests.airflow_task import store as store
from tests.airflow_task import time as time
from tests.airflow_task import unused as unused
from tests.airflow_task import web_page as web_page
from tests.batch_run import memory as memory
from tests.batch_run import settle as settle
from tests.proxy import proxy as proxy
from tests.purchase_run import Shop


@pytest.fixture(params=["run", "arun"])
def shop(request: pytest.FixtureRequest, sandbox: Sandbox, time: Time, caplog: pytest.LogCaptureFixture) -> Shop:
    """A shop with either driver, in virtual time."""
    caplog.set_level(logging.INFO)
    return Shop(request.param, sandbox)
