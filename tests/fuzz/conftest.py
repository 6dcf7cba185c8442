"""Fixtures of the fuzz tests."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that makes things at once."""
    with Sandbox(seed=1, image_seconds=0, video_seconds=0, batch_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client with the key; nothing may take it longer than ten seconds."""
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.url, headers=headers, timeout=10, verify=False) as with_key:
        yield with_key
