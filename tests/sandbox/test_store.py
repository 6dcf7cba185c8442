"""The store: bytes by content, kept while somebody needs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.sandbox.store import Store


def test_equal_bytes_are_kept_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.put_blob(b"same") == store.put_blob(b"same") != store.put_blob(b"other")
    assert len(list(store.blobs.iterdir())) == 2
    assert store.read_blob(store.put_blob(b"same")) == b"same"


def test_what_is_remembered_outlives_the_process(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.remember("word", {"a": [1]})
    store.close()
    again = Store(tmp_path)
    assert (again.recall("word"), again.recall("nothing", 7)) == ({"a": [1]}, 7)


def test_bytes_stay_while_a_link_leads_to_them(sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client) -> None:
    options = {"prompt": "x", "model": "grok-imagine-image", "storage_options": {"filename": "a.jpg"}}
    [image] = client.post("/images/generations", json=options).json()["data"]
    client.delete(f"/files/{image['file_output']['file_id']}")
    assert passer_by.get(image["url"]).status_code == 200


def test_an_upload_that_is_refused_leaves_nothing(
    sandbox: Sandbox, client: httpx.Client, upload: Callable[..., str]
) -> None:
    client.post("/files", files={"file": ("a;b.png", b"x")})
    assert [*sandbox.backend.store.blobs.iterdir(), *sandbox.backend.store.uploads.iterdir()] == []
