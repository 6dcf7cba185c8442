"""A real API server under the simple auth manager, with two teams: whoever is in one may read one DAG of two."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from . import seeding
from .api_server import ApiServer, api_server


# Only for the tests here: its settings are the process's environment.
@pytest.fixture(scope="package")
def server(airflow_database: None) -> Iterator[ApiServer]:
    """The server, with real logins."""
    settings = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "boss:ADMIN",
        "AIRFLOW__CORE__MULTI_TEAM": "True",
    }
    with api_server(settings) as running:
        yield running


@pytest.fixture
def boss(server: ApiServer) -> Iterator[httpx.Client]:
    """Somebody who may read everything."""
    with server.client(server.token(SimpleAuthManagerUser(username="boss", role="ADMIN", teams=[]))) as client:
        yield client


@pytest.fixture
def database(airflow_database: None) -> Iterator[None]:
    """An empty database, before and after."""
    seeding.clean()
    yield
    seeding.clean()
