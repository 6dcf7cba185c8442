"""The contract that the other tests hold requests and answers against finds what breaches it."""

from __future__ import annotations

import json

from tests.contract import answer_breaches, journal_breaches, request_breaches

FILE = {"id": "file_1", "object": "file", "bytes": 1, "created_at": 1, "filename": "a.png"}


def test_an_unknown_field_or_a_wrong_type_of_a_request_is_a_breach() -> None:
    body = {"prompt": "x", "image": {"file_id": "file_1"}}
    assert request_breaches("POST", "/v1/images/edits", {}, body) == []
    assert len(request_breaches("POST", "/v1/images/edits", {}, {**body, "size": "1", "image": "file_1"})) == 2


def test_an_unknown_endpoint_or_query_is_a_breach() -> None:
    assert request_breaches("GET", "/v1/files", {"limit": "100", "order": "asc"}, None) == []
    assert request_breaches("GET", "/v1/files", {"limit": "101", "page": "2"}, None) == [
        "query limit='101'",
        "query page='2'",
    ]
    assert request_breaches("GET", "/v1/pictures", {}, None) == ["there is no GET /v1/pictures"]


def test_an_answer_that_the_api_would_not_give_is_a_breach() -> None:
    assert answer_breaches("GET", "/v1/files/file_1", 200, json.dumps(FILE).encode()) == []
    assert answer_breaches("GET", "/v1/files/file_1", 200, json.dumps(FILE | {"size": 1}).encode()) != []
    assert answer_breaches("GET", "/v1/files/file_1", 404, b'{"code": "not-found", "error": "gone"}') == []
    assert answer_breaches("GET", "/v1/files/file_1", 404, b'{"detail": "gone"}') != []


def test_only_what_a_sandbox_took_counts() -> None:
    asked = {"method": "POST", "path": "/v1/batches", "query": {}, "json": {"label": "b"}}
    assert journal_breaches([{**asked, "status": 422}]) == []
    assert len(journal_breaches([{**asked, "status": 200}])) == 2
