"""Batches from a JSONL file: loading, all or nothing, cancelled while they load."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox
from tests.sandbox.batch_calls import Upload, add, counts, create, jsonl, line, results, row


def test_a_file_batch_looks_empty_while_it_loads(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    sandbox.clock.rate = 0
    file_id = upload("in.jsonl", jsonl(line("a"), line("b", "/v1/videos", model="grok-imagine-video")), "text/plain")
    batch_id = create(client, input_file_id=file_id)
    client.delete(f"/files/{file_id}").raise_for_status()
    assert counts(client, batch_id) == (0, 0, 0, 0, 0)
    assert client.get(f"/batches/{batch_id}/requests").json()["batch_request_metadata"] == []
    sandbox.clock.advance(1)
    assert counts(client, batch_id) == (2, 2, 0, 0, 0)
    sandbox.clock.advance(4)
    assert set(results(client, batch_id)) == {"a", "b"}
    assert client.get(f"/batches/{batch_id}").json()["input_file_id"] == file_id


def test_a_file_batch_is_sealed(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    batch_id = create(client, input_file_id=upload("in.jsonl", jsonl(line("a")), "text/plain"))
    assert add(client, batch_id, row("b")).status_code == 400


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (jsonl(line("a"), line("b", "/v1/chat/completions", model="grok-4.5")), "line 2 (b): Model grok-4.5 is not"),
        (jsonl(line("a"), line("a")), "line 2: duplicate custom_id 'a'"),
        (jsonl(line("a")) + b"{not json", "line 2: "),
        (jsonl({**line("a"), "method": "GET"}), "line 1: GET /v1/images/generations"),
        (jsonl(line("a", "/v1/images/upscale")), "line 1: POST /v1/images/upscale"),
        (jsonl(line("a", "/v1/videos/edits", model="grok-imagine-video")), "line 1 (a): missing field `video`"),
        (b"\n", "no requests"),
    ],
)
def test_one_bad_line_cancels_the_batch_and_says_which(
    sandbox: Sandbox, client: httpx.Client, upload: Upload, data: bytes, message: str
) -> None:
    sandbox.clock.rate = 0
    batch_id = create(client, input_file_id=upload("in.jsonl", data, "text/plain"))
    assert client.get(f"/batches/{batch_id}").json()["cancel_by_xai_message"] is None
    sandbox.clock.advance(1)
    batch = client.get(f"/batches/{batch_id}").json()
    assert batch["cancel_by_xai_message"].startswith("JSONL file validation failed: ")
    assert message in batch["cancel_by_xai_message"]
    assert batch["cancel_time"]
    sandbox.clock.advance(10)
    assert counts(client, batch_id) == (0, 0, 0, 0, 0)
    assert sandbox.ledger.charges == []


def test_a_file_batch_that_is_cancelled_while_it_loads_says_so(
    sandbox: Sandbox, client: httpx.Client, upload: Upload
) -> None:
    sandbox.clock.rate = 0
    batch_id = create(client, input_file_id=upload("in.jsonl", jsonl(line("a"), line("b")), "text/plain"))
    batch = client.post(f"/batches/{batch_id}:cancel").json()
    assert batch["cancel_time"]
    assert batch["state"]["num_requests"] == 0
    sandbox.clock.advance(1)
    assert counts(client, batch_id) == (2, 0, 0, 0, 2)


def test_a_byte_order_mark_is_no_part_of_a_file(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    sandbox.clock.rate = 0
    data = b"\xef\xbb\xbf" + jsonl(line("a"))
    batch_id = create(client, input_file_id=upload("in.jsonl", data, "text/plain"))
    sandbox.clock.advance(10)
    assert counts(client, batch_id) == (1, 0, 1, 0, 0)


def test_an_unknown_input_file_is_a_404(client: httpx.Client) -> None:
    assert client.post("/batches", json={"name": "x", "input_file_id": "file_none"}).status_code == 404
