"""What every answer has in common: its id, its error form, its line in the journal."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox


def test_every_answer_has_an_id(sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client) -> None:
    answers = [client.get("/me"), client.get("/nowhere"), passer_by.get(f"{sandbox.url}/me")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


def test_unknown_paths_and_methods_are_refused_in_the_usual_form(client: httpx.Client) -> None:
    for answer, status, code in (
        (client.get("/nowhere"), 404, "not-found"),
        (client.patch("/files"), 405, "method-not-allowed"),
        (client.get("/files/"), 404, "not-found"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_journal_tells_each_request_in_order(
    sandbox: Sandbox, client: httpx.Client, upload: Callable[..., str]
) -> None:
    file_id = upload()
    client.get("/files", params={"limit": 5, "order": "asc"})
    answer = client.post(f"/files/{file_id}/public-url", json={"expires_after": 3600, "colour": "red"})
    first, second, third = sandbox.journal
    assert (first["method"], first["path"], first["json"]) == ("POST", "/v1/files", None)
    assert (second["path"], second["query"], second["status"]) == ("/v1/files", {"limit": "5", "order": "asc"}, 200)
    assert third == {
        "method": "POST",
        "path": f"/v1/files/{file_id}/public-url",
        "query": {},
        "status": 200,
        "request_bytes": len(answer.request.content),
        "response_bytes": len(answer.content),
        "json": {"expires_after": 3600, "colour": "red"},
        "unknown": ["colour"],
    }


def test_the_journal_keeps_no_pictures(sandbox: Sandbox, client: httpx.Client) -> None:
    image = {"url": f"data:image/png;base64,{'A' * 20_000}"}
    client.post("/images/edits", json={"prompt": "x", "image": image})
    assert len(str(sandbox.journal[-1]["json"])) < 1000


def test_a_refused_request_is_in_the_journal_too(sandbox: Sandbox, passer_by: httpx.Client) -> None:
    passer_by.post(f"{sandbox.url}/images/generations", json={"prompt": "x"})
    [entry] = sandbox.journal
    assert (entry["status"], entry["json"]) == (400, {"prompt": "x"})


HALF = "a\\ud83d"  # an escape for half of a character, as JavaScript makes them by cutting a text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/images/generations", '{"prompt": "x", "storage_options": {"filename": "HALF.jpg"}}'),
        ("/images/generations", '{"prompt": "HALF", "deferred": true}'),
        ("/videos/generations", '{"prompt": "x", "model": "HALF"}'),
        ("/batches", '{"name": "HALF"}'),
    ],
)
def test_half_a_character_is_refused_and_does_no_harm(
    sandbox: Sandbox, client: httpx.Client, root: str, path: str, body: str
) -> None:
    answer = client.post(path, content=body.replace("HALF", HALF), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-argument")
    assert client.get(f"{root}/_sandbox/journal").json()["requests"][-1]["status"] == 400
    assert client.get("/files").json()["data"] == []
    assert sandbox.ledger.charges == []


def test_a_whole_character_in_two_escapes_is_taken(client: httpx.Client) -> None:
    body = '{"name": "\\ud83d\\ude00"}'
    answer = client.post("/batches", content=body, headers={"content-type": "application/json"})
    assert answer.json()["name"] == "\U0001f600"
