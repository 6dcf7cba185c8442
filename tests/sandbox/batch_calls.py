"""The calls of the Batch API as its tests make them: create, fill, count, read the results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

IMAGE, IMAGE_TICKS = "grok-imagine-image", 200_000_000
Upload = Callable[..., str]


def create(client: httpx.Client, **body: Any) -> str:
    answer = client.post("/batches", json={"name": "nightly", **body})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["batch_id"])


def row(name: str | None, key: str = "image_generation", **body: Any) -> dict[str, Any]:
    request = {"batch_request": {key: {"model": IMAGE, "prompt": f"picture {name}", **body}}}
    return request if name is None else {"batch_request_id": name, **request}


def add(client: httpx.Client, batch_id: str, *rows: dict[str, Any]) -> httpx.Response:
    return client.post(f"/batches/{batch_id}/requests", json={"batch_requests": list(rows)})


def fill(client: httpx.Client, batch_id: str, *rows: dict[str, Any]) -> None:
    answer = add(client, batch_id, *rows)
    assert (answer.status_code, answer.json()) == (200, {}), answer.text


def counts(client: httpx.Client, batch_id: str) -> tuple[int, ...]:
    """Requests, pending, success, error, cancelled; the last four always add up to the first."""
    state = client.get(f"/batches/{batch_id}").json()["state"]
    total, *parts = (state[f"num_{name}"] for name in ("requests", "pending", "success", "error", "cancelled"))
    assert sum(parts) == total
    return (total, *parts)


def pages(client: httpx.Client, path: str, key: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    token = None
    while True:
        query = {"limit": limit} if token is None else {"limit": limit, "pagination_token": token}
        page = client.get(path, params=query).json()
        yield page[key]
        token = page["pagination_token"]
        if token is None:
            return


def results(client: httpx.Client, batch_id: str, limit: int = 1000) -> dict[str, dict[str, Any]]:
    found = [one for page in pages(client, f"/batches/{batch_id}/results", "results", limit) for one in page]
    assert len({one["batch_request_id"] for one in found}) == len(found)
    return {one["batch_request_id"]: one for one in found}


def picture_of(result: dict[str, Any]) -> dict[str, Any]:
    return dict(result["batch_result"]["response"]["image_generation"]["data"][0])


def jsonl(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def line(name: str, url: str = "/v1/images/generations", **body: Any) -> dict[str, Any]:
    return {"custom_id": name, "method": "POST", "url": url, "body": {"model": IMAGE, "prompt": name, **body}}
