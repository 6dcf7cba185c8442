"""One running sandbox for all tests here, empty and honest again before each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from airflow_provider_grok.sandbox.server import Sandbox
from tests.contract import answer_breaches


def check_success(answer: httpx.Response) -> None:
    """Hold a success in JSON against the API's schema."""
    path, kind = answer.request.url.path, answer.headers["content-type"]
    if answer.status_code >= 300 or kind != "application/json" or not path.startswith("/v1/"):
        return
    answer.read()
    # An error under a status of success is what a test ordered.
    if not answer.json().keys() <= {"code", "error"}:
        assert answer_breaches(answer.request.method, path, answer.status_code, answer.content) == []


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(seed=7, link_quota=3) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def passer_by() -> Iterator[httpx.Client]:
    """A client without a key. One for all: to make one takes long, mostly for certificates that nobody needs here."""
    with httpx.Client(verify=False, timeout=30) as client:
        yield client


@pytest.fixture
def sandbox(running: Sandbox, passer_by: httpx.Client) -> Sandbox:
    passer_by.post(f"{running.url.removesuffix('/v1')}/_sandbox/reset").raise_for_status()
    return running


@pytest.fixture
def root(sandbox: Sandbox) -> str:
    """Scheme, host and port."""
    return sandbox.url.removesuffix("/v1")


@pytest.fixture
def connect() -> Iterator[Callable[[Sandbox], httpx.Client]]:
    """Make a client with the key, which sees to it that every success is one that the API's own schema knows."""
    clients: list[httpx.Client] = []

    def make(sandbox: Sandbox) -> httpx.Client:
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
        hooks = {"response": [check_success]}
        client = httpx.Client(base_url=sandbox.url, headers=headers, timeout=30, verify=False, event_hooks=hooks)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(sandbox: Sandbox, connect: Callable[[Sandbox], httpx.Client]) -> httpx.Client:
    return connect(sandbox)


@pytest.fixture(scope="session")
def png() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 80, 40)).save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def upload(client: httpx.Client, png: bytes) -> Callable[..., str]:
    """Upload a picture, or what is given, and return its id."""

    def send(filename: str = "hero.png", data: bytes = png, kind: str = "image/png", **fields: Any) -> str:
        answer = client.post("/files", files={"file": (filename, data, kind)}, data=fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    return send
