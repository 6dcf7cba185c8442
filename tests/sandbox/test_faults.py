"""Faults: which requests suffer, how often, and how it shows to the client."""

from __future__ import annotations

import base64
from collections.abc import Callable

import httpx
import pytest

from airflow_provider_grok.sandbox import body_limits
from airflow_provider_grok.sandbox.faults import Faults
from airflow_provider_grok.sandbox.server import Sandbox

IMAGE = {"prompt": "a red bicycle", "model": "grok-imagine-image"}


def test_a_status_is_answered_once_with_its_headers(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"path": "/v1/files", "action": {"status": 429, "headers": {"Retry-After": 7}}})
    refused = client.get("/files")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert refused.json()["code"] == "resource-exhausted"
    assert refused.headers["x-request-id"]
    assert client.get("/files").status_code == 200


def test_a_body_may_be_json_text_or_nothing(sandbox: Sandbox, client: httpx.Client) -> None:
    for body in ({"error": {"message": "no"}}, "plain", "", None):
        sandbox.faults.add({"action": {"status": 500, "body": body}})
    assert client.get("/me").json() == {"error": {"message": "no"}}
    assert [client.get("/me").text for _ in range(3)] == ["plain", "", ""]


def test_skip_and_times_count_matching_requests_only(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"method": "GET", "path": "/v1/me", "skip": 1, "times": 2, "action": {"status": 503}})
    assert [client.get(path).status_code for path in ("/files", "/me", "/me", "/files", "/me", "/me")] == [
        *(200, 200, 503, 200),
        *(503, 200),
    ]


def test_two_faults_come_one_after_the_other(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"action": {"status": 429}})
    sandbox.faults.add({"action": {"status": 503}})
    assert [client.get("/me").status_code for _ in range(3)] == [429, 503, 200]


def test_drop_before_leaves_nothing_done(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"method": "POST", "action": {"drop": "before"}})
    with pytest.raises(httpx.TransportError):
        client.post("/images/generations", json=IMAGE)
    assert sandbox.ledger.charges == []
    assert sandbox.journal[-1]["status"] is None


def test_drop_after_has_done_the_work_and_billed_it(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"method": "POST", "action": {"drop": "after"}})
    with pytest.raises(httpx.TransportError):
        client.post("/images/generations", json={**IMAGE, "storage_options": {"filename": "lost.jpg"}})
    assert sandbox.ledger.total_ticks == 200_000_000
    assert [file["filename"] for file in client.get("/files").json()["data"]] == ["lost.jpg"]


def test_after_means_that_the_work_is_done_and_another_answer_given(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"method": "POST", "action": {"status": 502, "body": "<html>", "after": True}})
    answer = client.post("/images/generations", json=IMAGE)
    assert (answer.status_code, answer.text) == (502, "<html>")
    assert len(sandbox.ledger.charges) == 1


def test_a_delay_after_the_work_is_felt_by_the_client_alone(
    sandbox: Sandbox, client: httpx.Client, upload: Callable[..., str]
) -> None:
    file_id = upload()
    sandbox.faults.add({"method": "DELETE", "action": {"delay": 0.4, "after": True}})
    with pytest.raises(httpx.ReadTimeout):
        client.delete(f"/files/{file_id}", timeout=0.2)
    assert client.get(f"/files/{file_id}").status_code == 404


def test_truncate_promises_more_than_comes(
    sandbox: Sandbox, client: httpx.Client, upload: Callable[..., str], png: bytes
) -> None:
    file_id = upload()
    sandbox.faults.add({"path": "/v1/files/*/content", "action": {"truncate": 5}})
    with (
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("GET", f"/files/{file_id}/content") as answer,
    ):
        assert answer.headers["content-length"] == str(len(png))
        answer.read()


def test_delay_comes_before_the_answer(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"action": {"delay": 0.05}})
    assert client.get("/me").elapsed.total_seconds() >= 0.05


def test_a_delay_before_the_work_does_not_count_as_a_slow_body(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, client: httpx.Client
) -> None:
    monkeypatch.setattr(body_limits, "BODY_SECONDS", 0.05)
    sandbox.faults.add({"action": {"delay": 0.2}})
    assert client.post("/images/generations", json=IMAGE).status_code == 200


def test_an_order_that_means_nothing_is_refused_in_words() -> None:
    faults = Faults()
    for order, words in (
        ({}, "needs an action"),
        ({"action": {"explode": True}}, "unknown in a action: explode"),
        ({"action": {"status": 500}, "when": "now"}, "unknown in a fault: when"),
        ({"action": {"drop": "during"}}, "drop is one of before, after, not 'during'"),
        ({"action": {"status": "500"}}, "'status' does not take '500'"),
        ({"action": {"status": 99}}, "status is 200 to 599"),
        ({"action": {"status": 200, "headers": {"a b": 1}}}, "cannot carry the header 'a b'"),
        ({"action": {"status": 200, "headers": {"a": "b\r\nc: d"}}}, "cannot carry the header 'a'"),
        ({"action": {"status": 200}, "times": "twice"}, "times is a whole number"),
        ({"action": {"status": 200}, "path": 7}, "path is a text"),
        ({"action": {"list_lag": -1}}, "list_lag is a number of seconds"),
        ({"action": {"not_found_for": float("nan")}}, "not_found_for is a number of seconds"),
        ({"action": {"delay": 10**400}}, "delay is a number of seconds"),
        ({"action": {"delay": True}}, "delay is a number of seconds"),
        ({"action": {"refuse": "everything"}}, "refuse is one of credit, credit-429"),
        ({"action": {"status": 200, "base64": "!"}}, "base64"),
    ):
        with pytest.raises(ValueError, match=words):
            faults.add(order)
    assert faults.list == []


REFUSED = [
    ("credit", 403, "permission-denied", "used all available credits or reached its monthly spending limit"),
    ("credit-429", 429, "Some resource has been exhausted", "used all available credits"),
    ("credit-oauth", 403, "personal-team-blocked:spending-limit", "spending limit"),
    ("safety", 403, "permission-denied", "Content violates usage guidelines."),
    ("safety-400", 400, "Client specified an invalid argument", "Content violates usage guidelines."),
    ("rights", 403, "permission-denied", "not enabled for your team"),
    ("rate", 429, "resource-exhausted", "Requests per Second (actual/limit): 1/1."),
]


@pytest.mark.parametrize(("name", "status", "code", "words"), REFUSED)
def test_what_a_team_or_a_content_is_refused_for_comes_on_order(
    sandbox: Sandbox, client: httpx.Client, name: str, status: int, code: str, words: str
) -> None:
    sandbox.faults.add({"path": "/v1/images/*", "action": {"refuse": name}})
    refused = client.post("/images/generations", json=IMAGE)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert words in refused.json()["error"]
    assert (sandbox.ledger.charges, sandbox.journal[-1]["json"]) == ([], IMAGE)
    assert client.post("/images/generations", json=IMAGE).status_code == 200


def test_an_answer_may_be_anything_a_gateway_says(sandbox: Sandbox, client: httpx.Client) -> None:
    html = {"status": 503, "headers": {"Content-Type": "text/html"}, "body": "<html><h1>503</h1></html>"}
    moved = {"status": 302, "headers": {"Location": "http://127.0.0.1:1/login"}, "body": None}
    raw = {"status": 200, "headers": {"Content-Encoding": "gzip"}, "base64": base64.b64encode(b"no gzip").decode()}
    for action in (html, moved, {"status": 200, "body": {}}, {"status": 200, "body": ""}, raw):
        sandbox.faults.add({"method": "POST", "path": "/v1/images/*", "action": action})
    page, redirect, nothing, empty = (client.post("/images/generations", json=IMAGE) for _ in range(4))
    assert (page.status_code, page.headers["content-type"], page.text[:6]) == (503, "text/html", "<html>")
    assert (redirect.status_code, redirect.headers["location"]) == (302, "http://127.0.0.1:1/login")
    assert (nothing.status_code, nothing.content) == (200, b"{}")
    assert (empty.status_code, empty.content) == (200, b"")
    with client.stream("POST", "/images/generations", json=IMAGE) as answer:
        assert b"".join(answer.iter_raw()) == b"no gzip"
    assert sandbox.ledger.charges == []


def test_the_list_tells_how_often_a_fault_struck(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"path": "/v1/me", "times": None, "action": {"status": 500}})
    for _ in range(3):
        client.get("/me")
    assert sandbox.faults.list[0]["hits"] == 3
    sandbox.faults.clear()
    assert client.get("/me").status_code == 200
