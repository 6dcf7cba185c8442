"""Batches in tests: how the sandbox does them, what they ask for, and the tasks that submit them and keep results."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, edit_image
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun

Settle = Callable[..., None]
Store = Callable[..., str]


@pytest.fixture
def settle(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Say how the sandbox does batches, as in `settle(batch_storage=False, batch_seconds=60)`; else it is at once."""

    def change(**settings: Any) -> None:
        monkeypatch.setattr(sandbox.backend, "settings", replace(sandbox.backend.settings, **settings))

    change(batch_seconds=0.0)
    return change


@pytest.fixture
def memory() -> Iterator[None]:
    """An object storage `memory://`, which Airflow does not know by itself."""
    import fsspec
    from airflow.sdk.io import attach

    storage = fsspec.filesystem("memory")
    attach("memory", fs=storage)
    yield
    storage.store.clear()


def edits(image: str, count: int, **fields: Any) -> list[dict[str, Any]]:
    """Edits of one picture, `row-0` and so on."""
    return [edit_image(f"row-{number}", prompt=f"look {number}", image=image, **fields) for number in range(count)]


def submission(requests: Any = None, **arguments: Any) -> TaskRun:
    """The task that submits a batch."""
    return TaskRun(GrokBatchOperator, task_id="batch", requests=requests, **arguments)


def persisting(batch_id: str, **arguments: Any) -> TaskRun:
    """The task that keeps its results."""
    return TaskRun(GrokPersistOperator, task_id="persist", batch_id=batch_id, **arguments)


def ask(sandbox: Sandbox, method: str, path: str, **options: Any) -> Any:
    """Ask the sandbox, past the operators; the answer's JSON."""
    return _answer(sandbox, method, path, **options).json()


def content(sandbox: Sandbox, file_id: str) -> bytes:
    """A stored file's bytes."""
    return _answer(sandbox, "GET", f"/files/{file_id}/content").content


def _answer(sandbox: Sandbox, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    return httpx.request(method, f"{sandbox.url}{path}", headers=headers, **options).raise_for_status()


def user_id(wire_id: str) -> str:
    """The user's id in an id on the wire, which ends in a digest of the row."""
    id, digest = wire_id.rsplit(".", 1)
    assert re.fullmatch("[0-9a-f]{10}", digest), wire_id
    return id


def rows_of(sandbox: Sandbox, run: TaskRun) -> list[dict[str, Any]]:
    """The manifest that a persisting task left, row by row."""
    return [json.loads(line) for line in content(sandbox, run.xcom["manifest"]).splitlines()]


def sha256_of(sandbox: Sandbox, file_id: str) -> str:
    """Digest of a stored file's bytes, as the sandbox has them."""
    return hashlib.sha256(content(sandbox, file_id)).hexdigest()


def pull(trigger: Any) -> dict[str, Any]:
    """What a trigger tells in the end."""

    async def main() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(main())
    told: dict[str, Any] = event
    return told


def defer_on(run: TaskRun) -> tuple[Any, list[dict[str, Any]]]:
    """A deferrable task to its end, through as many triggers as it takes; its value, and what the triggers told."""
    from airflow.sdk.exceptions import TaskDeferred

    events: list[dict[str, Any]] = []
    trigger = run.defer()
    while True:
        events.append(pull(trigger))
        try:
            return run.resume(events[-1]), events
        except TaskDeferred as again:
            run.deferred, trigger = again, again.trigger
