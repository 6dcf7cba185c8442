"""Files at a sandbox, stored under names of all kinds; fixtures of the tests of previews."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_grok.api import files
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox

PHOTO = Path(__file__).parents[2] / "example_dags" / "photos" / "coffee.png"
KEY = "0123456789abcd"
CONN = "grok_default"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox that connection `grok_default` leads to."""
    with Sandbox(strict=True, image_seconds=0.01, batch_seconds=0.01) as running:
        connection = {"conn_type": "grok", "host": running.url, "password": running.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_GROK_DEFAULT", json.dumps(connection))
        yield running


@pytest.fixture
def store(sandbox: Sandbox, tmp_path: Path) -> Callable[..., str]:
    """Stores bytes under a name, and returns the file's id."""

    def put(name: str, content: bytes | None = None) -> str:
        path = tmp_path / "content"
        path.write_bytes(PHOTO.read_bytes() if content is None else content)
        return GrokHook(CONN).run(files.upload(path, filename=name, content_type="application/octet-stream")).id

    return put


def downloads(sandbox: Sandbox) -> int:
    """How often the content of a file was asked for."""
    return sum(entry["path"].endswith("/content") for entry in sandbox.journal)
