"""The plugin under the FAB auth manager: rights to single DAGs and to XCom, asked on every route.

Needs the dependency group `ui`.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.ui import seeding
from tests.ui.api_server import ApiServer, api_server
from tests.ui.routes import ROUTES, Route, add_two_dags

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
PASSWORD = "only-for-this-test"
ids = [route.template for route in ROUTES]
OF_A_DAG = [route for route in ROUTES if route.names_a_dag]
#: What each person may read; the second may see both DAGs, and the XCom of none.
READERS = {
    "alpha": [("can_read", "DAG:alpha"), ("can_read", "XComs")],
    "blind": [("can_read", "DAGs")],
}


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    """An API server with FAB's users and roles, and two DAGs."""
    from airflow.utils.db import initdb

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", FAB)
        initdb()
    settings = {"AIRFLOW__CORE__AUTH_MANAGER": FAB, "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False"}
    with api_server(settings) as running:
        seeding.clean()
        add_two_dags()
        _add_readers()
        yield running
        seeding.clean()


def _add_readers() -> None:
    from airflow.providers.fab.www.app import create_app

    app = create_app(enable_plugins=False)
    with app.app_context():
        manager = app.appbuilder.sm
        for name, rights in READERS.items():
            manager.bulk_sync_roles([{"role": f"Reader{name}", "perms": rights}])
            role = manager.find_role(f"Reader{name}")
            assert manager.add_user(name, name, name, f"{name}@example.com", role, password=PASSWORD)


def signed_in(server: ApiServer, name: str) -> httpx.Client:
    """A client that has signed in as FAB's own login does it."""
    with server.client() as client:
        answer = client.post("/auth/token", json={"username": name, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return server.client(answer.json()["access_token"])


@pytest.fixture(scope="module")
def alpha(server: ApiServer) -> Iterator[httpx.Client]:
    with signed_in(server, "alpha") as client:
        yield client


@pytest.fixture(scope="module")
def blind(server: ApiServer) -> Iterator[httpx.Client]:
    with signed_in(server, "blind") as client:
        yield client


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_without_a_login_every_route_is_401(server: ApiServer, route: Route) -> None:
    with server.client() as stranger:
        answer = stranger.get(route.of("alpha"))
    assert answer.status_code == 401
    assert "secret" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_a_dag_that_may_be_read_is_shown_and_only_that(alpha: httpx.Client, route: Route) -> None:
    answer = alpha.get(route.of("alpha"))
    # A preview is a 404 here, for no connection is named in the settings.
    assert answer.status_code == (404 if "previews" in route.template else 200)
    assert "beta" not in answer.text


def test_the_page_across_dags_shows_what_may_be_read(alpha: httpx.Client) -> None:
    assert "secret of alpha" in alpha.get("/grok/gallery").text


@pytest.mark.parametrize("dag", ["beta", "~", "%7E"])
@pytest.mark.parametrize("route", OF_A_DAG, ids=[route.template for route in OF_A_DAG])
def test_another_dag_and_the_word_for_all_are_403(alpha: httpx.Client, route: Route, dag: str) -> None:
    answer = alpha.get(route.of(dag))
    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_who_may_see_dags_but_not_their_xcom_sees_nothing(blind: httpx.Client, route: Route) -> None:
    answer = blind.get(route.of("alpha"))
    assert answer.status_code == (403 if route.names_a_dag else 200)
    assert "secret" not in answer.text
    assert "alpha" not in answer.text


@pytest.mark.parametrize("query", ["dag_id=beta", "dag_id=~"])
@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_no_parameter_leads_to_another_dag(alpha: httpx.Client, route: Route, query: str) -> None:
    assert "secret of beta" not in alpha.get(f"{route.of('alpha')}?{query}").text


def test_map_index_labels_need_the_right_to_task_instances(server: ApiServer, alpha: httpx.Client) -> None:
    told = seeding.receipt(seeding.file_row("file_label"))
    seeding.add_run("alpha", "labelled")
    seeding.add_tasks("alpha", "labelled", "edit", [{"receipt": told}], labels=["label of alpha"])
    text = alpha.get("/grok/gallery/dags/alpha/run/labelled").text
    assert "file_label" in text
    assert "label of alpha" not in text
