"""Running the command in this process against a sandbox, and what it prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_grok.cli.parser import main

if TYPE_CHECKING:
    from tests.dag_run import RunDag


@dataclass(frozen=True)
class Said:
    """What a command left.

    :param code: its exit code.
    :param out: lines of its output.
    :param err: all that it wrote to the other output.
    """

    code: int
    out: list[str]
    err: str


Grok = Callable[..., Said]


@pytest.fixture
def grok(run_dag: RunDag, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Grok:
    """Run `airflow-grok` with some words."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")

    def command(*words: str) -> Said:
        capfd.readouterr()
        code = main(words)
        said = capfd.readouterr()
        return Said(code, said.out.splitlines(), said.err)

    return command


@pytest.fixture
def store(run_dag: RunDag) -> Callable[..., str]:
    """Store a picture in the sandbox, and return its id."""
    import httpx

    sandbox = run_dag.sandbox

    def put(name: str, *, shared: bool = False) -> str:
        headers: dict[str, Any] = {"authorization": f"Bearer {sandbox.api_key}"}
        files = {"file": (name, b"\x89PNG\r\n\x1a\n" + bytes(8), "image/png")}
        stored = str(httpx.post(f"{sandbox.url}/files", headers=headers, files=files, trust_env=False).json()["id"])
        if shared:
            link = f"{sandbox.url}/files/{stored}/public-url"
            httpx.post(link, headers=headers, json={}, trust_env=False).raise_for_status()
        return stored

    return put
