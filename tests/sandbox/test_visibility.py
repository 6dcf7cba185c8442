"""Reads that lag behind writes: listings that show late, ids that are a 404 at first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox
from tests.sandbox.batch_calls import counts, create, fill, results, row

Upload = Callable[..., str]
IMAGE = {"prompt": "x", "model": "grok-imagine-image"}


@pytest.fixture(autouse=True)
def time_stands_still(sandbox: Sandbox) -> None:
    sandbox.clock.rate = 0


def order(sandbox: Sandbox, method: str, path: str, **action: Any) -> None:
    sandbox.faults.add({"method": method, "path": path, "times": None, "action": action})


def listed(client: httpx.Client) -> list[str]:
    return [file["id"] for file in client.get("/files").json()["data"]]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/files"), ("GET", "/v1/files")])
def test_a_file_is_listed_late_and_found_by_its_id_at_once(
    sandbox: Sandbox, client: httpx.Client, upload: Upload, method: str, path: str
) -> None:
    old = upload()
    sandbox.clock.advance(60)
    order(sandbox, method, path, list_lag=30)
    new = upload()
    assert client.get(f"/files/{new}").status_code == 200
    assert listed(client) == [old]
    sandbox.clock.advance(29)
    assert listed(client) == [old]
    sandbox.clock.advance(2)
    assert listed(client) == [new, old]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/files"), ("*", "/v1/files/*")])
def test_a_file_is_a_404_by_its_id_at_first_and_listed(
    sandbox: Sandbox, client: httpx.Client, upload: Upload, method: str, path: str
) -> None:
    order(sandbox, method, path, not_found_for=5)
    new = upload()
    asked = (f"/files/{new}", f"/files/{new}/content")
    assert [client.get(path).status_code for path in asked] == [404, 404]
    assert client.post(f"/files/{new}/public-url").status_code == 404
    assert client.delete(f"/files/{new}").status_code == 404
    assert listed(client) == [new]
    sandbox.clock.advance(6)
    assert [client.get(path).status_code for path in asked] == [200, 200]


def test_a_file_that_shows_late_is_no_source_at_first(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    order(sandbox, "POST", "/v1/files", not_found_for=5)
    body = {**IMAGE, "image": {"file_id": upload()}}
    assert client.post("/images/edits", json=body).status_code == 404
    sandbox.clock.advance(6)
    assert client.post("/images/edits", json=body).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/*"), ("GET", "/v1/*")])
@pytest.mark.parametrize(("kind", "endpoint"), [("images", "/images/generations"), ("videos", "/videos/generations")])
def test_a_job_is_a_404_at_first(
    sandbox: Sandbox, client: httpx.Client, kind: str, endpoint: str, method: str, path: str
) -> None:
    order(sandbox, method, path, not_found_for=10)
    body = {"prompt": "x", **({"deferred": True} if kind == "images" else {"duration": 1})}
    job = client.post(endpoint, json=body).json()["request_id"]
    assert client.get(f"/{kind}/{job}").status_code == 404
    sandbox.clock.advance(11)
    assert client.get(f"/{kind}/{job}").status_code == 200


def test_a_stored_result_shows_late_in_every_way(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, "POST", "/v1/images/*", not_found_for=5, list_lag=60)
    options = {"filename": "a.jpg", "public_url": True}
    made = client.post("/images/generations", json={**IMAGE, "storage_options": options}).json()["data"][0]
    file_id = made["file_output"]["file_id"]
    assert made["file_output"]["public_url"]
    assert (client.get(f"/files/{file_id}").status_code, listed(client)) == (404, [])
    sandbox.clock.advance(6)
    assert (client.get(f"/files/{file_id}").status_code, listed(client)) == (200, [])
    sandbox.clock.advance(60)
    assert listed(client) == [file_id]


def test_a_batch_is_listed_late_and_a_404_at_first(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, "POST", "/v1/batches", list_lag=30, not_found_for=10)
    batch_id = create(client)
    assert client.get("/batches").json()["batches"] == []
    asked = [("GET", ""), ("GET", "/results"), ("GET", "/requests"), ("POST", ":cancel")]
    assert {client.request(method, f"/batches/{batch_id}{end}").status_code for method, end in asked} == {404}
    sandbox.clock.advance(11)
    assert client.get(f"/batches/{batch_id}").status_code == 200
    assert client.get("/batches").json()["batches"] == []
    sandbox.clock.advance(20)
    assert [batch["batch_id"] for batch in client.get("/batches").json()["batches"]] == [batch_id]


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/batches/*/results"), ("POST", "/v1/batches/*/requests")])
def test_results_lag_behind_the_counters(sandbox: Sandbox, client: httpx.Client, method: str, path: str) -> None:
    order(sandbox, method, path, list_lag=10)
    batch_id = create(client)
    fill(client, batch_id, row("a"), row("b"))
    sandbox.clock.advance(4)
    assert counts(client, batch_id) == (2, 0, 2, 0, 0)
    assert results(client, batch_id) == {}
    sandbox.clock.advance(8)
    assert len(results(client, batch_id)) == 1
    sandbox.clock.advance(3)
    assert sorted(results(client, batch_id)) == ["a", "b"]


def test_one_row_of_many_may_show_late(sandbox: Sandbox, client: httpx.Client) -> None:
    action = {"list_lag": 10}
    sandbox.faults.add({"path": "/v1/batches/*/requests", "action": action, "only": ["slow"]})
    batch_id = create(client)
    fill(client, batch_id, row("a"), row("slow"))
    sandbox.clock.advance(4)
    assert list(results(client, batch_id)) == ["a"]
    sandbox.clock.advance(11)
    assert sorted(results(client, batch_id)) == ["a", "slow"]
