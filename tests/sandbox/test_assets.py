"""Ephemeral links: whose host they carry, how long they live, what a batch's have besides."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_grok.sandbox import assets
from airflow_provider_grok.sandbox.server import Sandbox


def test_a_link_carries_the_host_that_the_poll_used(sandbox: Sandbox, client: httpx.Client) -> None:
    body = {"prompt": "x", "model": "grok-imagine-image", "deferred": True}
    request_id = client.post("/images/generations", json=body).json()["request_id"]
    sandbox.clock.advance(1)
    shown = client.get(f"/images/{request_id}", headers={"host": "grok.localhost:8642"}).json()
    assert shown["data"][0]["url"].startswith("http://grok.localhost:8642/imgen/xai-imgen/xai-tmp-imgen-")


@pytest.mark.parametrize(("batch", "life"), [(False, 86_400), (True, 3600)])
def test_a_link_lives_a_day_or_in_a_batch_an_hour(
    sandbox: Sandbox, passer_by: httpx.Client, root: str, batch: bool, life: int
) -> None:
    sandbox.clock.rate = 0
    blob = sandbox.backend.store.put_blob(b"picture")
    link = assets.offer_image(sandbox.backend, blob, "image/jpeg", sandbox.clock.now(), batch=batch)
    assert ("?sig=" in link) is batch
    sandbox.clock.advance(life - 1)
    assert passer_by.get(f"{root}{link}").content == b"picture"
    sandbox.clock.advance(1)
    assert passer_by.get(f"{root}{link}").status_code == 404


def test_a_signed_link_needs_its_signature(sandbox: Sandbox, passer_by: httpx.Client, root: str) -> None:
    blob = sandbox.backend.store.put_blob(b"picture")
    link = assets.offer_image(sandbox.backend, blob, "image/jpeg", sandbox.clock.now(), batch=True)
    assert passer_by.get(f"{root}{link.partition('?')[0]}").status_code == 404
    assert passer_by.get(f"{root}{link}x").status_code == 404
