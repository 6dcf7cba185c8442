"""Stored results: whose life counts from the end of their job, and what may go wrong with which image."""

from __future__ import annotations

from typing import Any

import httpx

from airflow_provider_grok.sandbox.server import Sandbox


def deferred(client: httpx.Client, **options: Any) -> str:
    stored = {"filename": "later.jpg"} | options
    body = {"prompt": "x", "model": "grok-imagine-image", "deferred": True, "storage_options": stored}
    return str(client.post("/images/generations", json=body).json()["request_id"])


def test_the_life_of_a_result_counts_from_the_end_of_its_job(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.clock.rate = 0
    request_id = deferred(client, expires_after=7200, public_url={"expires_after": 3600})
    ended = int(sandbox.clock.now() + sandbox.settings.image_seconds)
    sandbox.clock.advance(1800)
    output = client.get(f"/images/{request_id}").json()["data"][0]["file_output"]
    assert (output["expires_at"], output["public_url_expires_at"]) == (ended + 7200, ended + 3600)
    assert client.get(f"/files/{output['file_id']}").json()["created_at"] == ended


def test_a_result_may_have_died_before_anybody_looked(sandbox: Sandbox, client: httpx.Client) -> None:
    request_id = deferred(client, expires_after=3600, public_url=True)
    sandbox.clock.advance(4000)
    output = client.get(f"/images/{request_id}").json()["data"][0]["file_output"]
    assert output["public_url"]
    assert client.get(f"/files/{output['file_id']}").status_code == 404
    assert client.get("/files").json()["data"] == []


def test_a_switch_may_mean_some_images_and_say_its_own_words(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"action": {"storage_error": [1], "public_url_error": "The CDN is asleep."}})
    stored = {"filename": "a.jpg", "public_url": True}
    body = {"prompt": "x", "model": "grok-imagine-image", "n": 3, "storage_options": stored}
    images = client.post("/images/generations", json=body).json()["data"]
    assert [image.get("storage_error") for image in images] == [None, "Failed to store the file.", None]
    assert [image["file_output"]["public_url_error"] for image in images if "file_output" in image] == [
        "The CDN is asleep.",
        "The CDN is asleep.",
    ]


def test_no_link_is_made_unasked(client: httpx.Client) -> None:
    for wish in (None, False):
        stored = {"filename": "a.jpg", "public_url": wish, "expires_after": None}
        body = {"prompt": "x", "model": "grok-imagine-image", "storage_options": stored}
        [image] = client.post("/images/generations", json=body).json()["data"]
        assert image["file_output"].keys() == {"file_id", "filename"}


def test_the_stored_type_is_that_of_the_picture_whatever_its_name(client: httpx.Client) -> None:
    stored = {"filename": "a.webp", "public_url": True}
    body = {"prompt": "x", "model": "grok-imagine-image", "storage_options": stored}
    [image] = client.post("/images/generations", json=body).json()["data"]
    link = image["file_output"]["public_url"]
    assert link.endswith(".webp")
    assert client.get(link).headers["content-type"] == "image/jpeg"
