"""Requests per second: 5 for an image model, 1 for a video model; a 429 at once, and nothing queues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def limited() -> Iterator[tuple[Sandbox, httpx.Client]]:
    with (
        Sandbox(seed=1, rate_limits=True, strict=True) as sandbox,
        httpx.Client(
            base_url=sandbox.url, headers={"authorization": f"Bearer {sandbox.api_key}"}, verify=False, timeout=30
        ) as client,
    ):
        sandbox.clock.rate = 0
        yield sandbox, client


def burst(client: httpx.Client, path: str, count: int, **body: Any) -> list[int]:
    return [client.post(path, json={"prompt": "x", **body}).status_code for _ in range(count)]


def test_a_video_model_takes_one_request_a_second(limited: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = limited
    sandbox.clock.advance(2)
    body = {"model": "grok-imagine-video", "duration": 1}
    assert burst(client, "/videos/generations", 3, **body) == [200, 429, 429]
    refused = client.post("/videos/generations", json={"prompt": "x", **body})
    assert refused.json()["code"] == "resource-exhausted"
    assert refused.json()["error"].startswith("Too many requests for team 0")
    assert refused.json()["error"].endswith(
        "and model grok-imagine-video. Your team's rate limit is - Requests per Second (actual/limit): 1/1."
    )
    assert "retry-after" not in refused.headers
    sandbox.clock.advance(1)
    assert burst(client, "/videos/generations", 2, **body) == [200, 429]
    assert burst(client, "/videos/generations", 1, model="grok-imagine-video-1.5", duration=1) == [200], "by model"


def test_an_image_model_takes_five_requests_a_second_edits_included(limited: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = limited
    sandbox.clock.advance(2)
    body = {"model": "grok-imagine-image", "deferred": True}
    charges = len(sandbox.ledger.charges)
    assert burst(client, "/images/generations", 7, **body) == [200] * 5 + [429] * 2
    assert len(sandbox.ledger.charges) == charges + 5
    sandbox.clock.advance(1)
    assert burst(client, "/images/generations", 6, **body) == [200] * 5 + [429]


def test_polls_refusals_and_what_runs_in_a_batch_do_not_count(limited: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = limited
    sandbox.clock.advance(2)
    model = "grok-imagine-image"
    assert burst(client, "/images/generations", 9, model=model, n=11) == [400] * 9
    batch_id = client.post("/batches", json={"name": "b"}).json()["batch_id"]
    row = {"batch_request": {"image_generation": {"prompt": "x", "model": model}}}
    added = client.post(f"/batches/{batch_id}/requests", json={"batch_requests": [row] * 20})
    assert added.status_code == 200
    job = client.post("/images/generations", json={"prompt": "x", "model": model, "deferred": True}).json()
    assert {client.get(f"/images/{job['request_id']}").status_code for _ in range(9)} == {202}
    assert burst(client, "/images/generations", 5, model=model, deferred=True) == [200] * 4 + [429]


def test_without_the_switch_nothing_is_limited(client: httpx.Client) -> None:
    assert set(burst(client, "/images/generations", 9, model="grok-imagine-image", deferred=True)) == {200}
