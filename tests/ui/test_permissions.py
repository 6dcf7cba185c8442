"""Nobody sees what Airflow does not let them see: every route, without a login, and with rights to one DAG of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from .api_server import ApiServer
from .routes import ROUTES, Route, add_two_dags

ids = [route.template for route in ROUTES]
OF_A_DAG = [route for route in ROUTES if route.names_a_dag]


@pytest.fixture(autouse=True)
def two_dags(database: None) -> None:
    add_two_dags()


def user(team: str, role: str = "VIEWER") -> Any:
    return SimpleAuthManagerUser(username="reader", role=role, teams=[team])


@pytest.fixture
def alpha(server: ApiServer) -> Iterator[httpx.Client]:
    """Somebody who may read DAG alpha, and not beta."""
    with server.client(server.token(user("team_alpha"))) as client:
        yield client


@pytest.fixture
def stranger(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_every_route_of_the_app_is_tried() -> None:
    from airflow_provider_grok.ui.app import build

    there = [getattr(route, "path", None) for route in build().routes]
    assert sorted(str(path) for path in there) == sorted(route.template for route in ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_without_a_login_every_route_is_401(stranger: httpx.Client, route: Route) -> None:
    answer = stranger.get(route.of("alpha"))
    assert answer.status_code == 401
    assert "secret" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_a_broken_token_is_refused(server: ApiServer, route: Route) -> None:
    with server.client("not.a.token") as client:
        assert client.get(route.of("alpha")).status_code in (401, 403)


@pytest.mark.parametrize("route", OF_A_DAG, ids=[route.template for route in OF_A_DAG])
def test_the_xcom_of_a_dag_that_may_not_be_read_is_403(alpha: httpx.Client, route: Route) -> None:
    answer = alpha.get(route.of("beta"))
    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize("route", OF_A_DAG, ids=[route.template for route in OF_A_DAG])
@pytest.mark.parametrize("dag", ["~", "%7E"])
def test_the_word_for_all_dags_is_refused(alpha: httpx.Client, route: Route, dag: str) -> None:
    answer = alpha.get(route.of(dag))
    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=ids)
@pytest.mark.parametrize("query", ["dag_id=beta", "dag_id=~", "q=beta", "task=edit&dag_id=beta"])
def test_no_parameter_leads_to_a_dag_that_may_not_be_read(alpha: httpx.Client, route: Route, query: str) -> None:
    answer = alpha.get(f"{route.of('alpha')}?{query}")
    assert answer.status_code in (200, 404)
    assert "beta" not in answer.text.replace("q=beta", "").replace('value="beta"', "")


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_pages_across_dags_hold_only_what_may_be_read(alpha: httpx.Client, route: Route) -> None:
    answer = alpha.get(route.of("alpha"))
    # A preview is a 404 here, for no connection is named in the settings.
    assert answer.status_code == (404 if "previews" in route.template else 200)
    assert "beta" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_who_has_no_role_sees_no_dag_at_all(server: ApiServer, route: Route) -> None:
    with server.client(server.token(user("team_alpha", role=""))) as client:
        answer = client.get(route.of("alpha"))
    assert answer.status_code == (403 if route.names_a_dag else 200)
    assert "alpha" not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_a_browser_s_cookie_is_a_login_too(server: ApiServer, route: Route) -> None:
    token = server.token(user("team_alpha"))
    with server.client(token, cookie=True) as client:
        assert client.get(route.of("alpha")).status_code in (200, 404)
        assert client.get(route.of("beta")).status_code == (403 if route.names_a_dag else 200)


@pytest.mark.parametrize("route", ROUTES, ids=ids)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(alpha: httpx.Client, route: Route, method: str) -> None:
    assert alpha.request(method, route.of("alpha")).status_code == 405


@pytest.mark.parametrize("route", ROUTES, ids=ids)
def test_every_answer_has_the_headers_that_keep_a_page_in_bounds(alpha: httpx.Client, route: Route) -> None:
    headers = alpha.get(route.of("alpha")).headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "img-src 'self' https://files-cdn.x.ai;" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self'" in policy


def test_a_stranger_in_a_browser_is_told_in_words(stranger: httpx.Client) -> None:
    answer = stranger.get("/grok/gallery", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "not signed in" in answer.text
