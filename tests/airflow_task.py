"""Airflow around one task, without a database: a task instance over all its tries, its store, XCom, and its time."""

from __future__ import annotations

import asyncio
import io
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from PIL import Image

from airflow_provider_grok.api import wire
from airflow_provider_grok.operators.make import GrokMakeOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.contract import journal_breaches

CHARGED = "/v1/images/"


class Killed(BaseException):
    """The worker died here."""


class StateStore:
    """A task state store that keeps JSON, and can kill the worker at one of its writes.

    `deadly` is the number of that write, from 1; `torn` says whether the value still got through.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.history: list[dict[str, Any]] = []
        self.deadly, self.torn = 0, False

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.deadly -= 1
        if self.deadly == 0 and self.torn:
            raise Killed
        self.values[key] = json.dumps(value)
        self.history.append(json.loads(self.values[key]))
        if self.deadly == 0:
            raise Killed

    @property
    def phases(self) -> list[str]:
        return [value["phase"] for value in self.history]

    def die_at(self, write: int, *, torn: bool = False) -> None:
        self.deadly, self.torn = write, torn


class TaskInstance:
    """What operators ask of the running task instance."""

    def __init__(self, task_id: str, **of: Any) -> None:
        self.task_id = task_id
        self.dag_id, self.run_id = of.get("dag_id", "shop"), of.get("run_id", "monday")
        self.map_index, self.max_tries = of.get("map_index", -1), 0
        self.xcom: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcom[key] = json.loads(json.dumps(value))


class TaskRun:
    """One task instance from its first try to its last: every slice runs on an operator made afresh."""

    def __init__(
        self, operator: type[Any], *, task_id: str = "edit", of: dict[str, Any] | None = None, **arguments: Any
    ) -> None:
        if arguments.get("deferrable") and issubclass(operator, GrokMakeOperator):
            # Jobs of tests are short; what is to be seen here is the deferral.
            arguments = {"defer_after": 0, **arguments}
        self.operator, self.arguments = operator, {"task_id": task_id, **arguments}
        self.ti = TaskInstance(task_id, **(of or {}))
        self.store = StateStore()
        self.deferred: TaskDeferred | None = None

    @property
    def context(self) -> Any:
        return {"ti": self.ti, "task_instance": self.ti, "task_state_store": self.store}

    @property
    def xcom(self) -> dict[str, Any]:
        return self.ti.xcom

    @property
    def receipt(self) -> Any:
        return self.ti.xcom["receipt"]

    def fresh(self) -> Any:
        return self.operator(**self.arguments)

    def execute(self) -> Any:
        """One try, from the beginning: Airflow empties XCom first."""
        self.ti.xcom.clear()
        return self.fresh().execute(self.context)

    def defer(self) -> Any:
        """One try, up to where it hands over to the triggerer; returns the trigger."""
        with pytest.raises(TaskDeferred) as deferred:
            self.execute()
        self.deferred = deferred.value
        return self.deferred.trigger

    def resume(self, event: Any = None, *, method: str | None = None, **kwargs: Any) -> Any:
        """Go on after the triggerer, on a fresh operator."""
        next_method = method or (self.deferred.method_name if self.deferred else "execute_complete")
        return self.fresh().resume_execution(next_method, kwargs or {"event": event}, self.context)

    def clear(self) -> None:
        """A person clears the task."""
        self.ti.max_tries += 1

    def kill(self, write: int, *, torn: bool = False) -> None:
        """One try in which the worker dies at a write to the store."""
        self.store.die_at(write, torn=torn)
        with pytest.raises(Killed):
            self.execute()


class Time:
    """The drivers' time, which is the sandbox's: sleeping moves it, and is written down."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.clock, self.slept = sandbox.clock, list[float]()

    def now(self) -> float:
        return self.clock.now()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(max(seconds, 0.0))

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


def event_of(trigger: Any) -> Any:
    """What a trigger yields: one event."""

    async def main() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(main())
    return event


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop run until something is so."""
    while not condition():  # noqa: ASYNC110 - nobody tells when
        await asyncio.sleep(0)


_FIELDS = ("conn_type", "host", "login", "password", "port", "schema")


def connect(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox | None = None, **changes: Any) -> None:
    """Let `grok_default` point at a sandbox; `changes` are fields of the connection, or extras."""
    fields = {"conn_type": "grok"} | ({"host": sandbox.url, "password": sandbox.api_key} if sandbox else {})
    extra = {name: value for name, value in changes.items() if name not in _FIELDS}
    fields |= {name: value for name, value in changes.items() if name not in extra}
    monkeypatch.setenv("AIRFLOW_CONN_GROK_DEFAULT", json.dumps(fields | {"extra": extra}))


@pytest.fixture(scope="session")
def one_sandbox() -> Iterator[Sandbox]:
    """One server for all tests: they get it empty."""
    with Sandbox(strict=True, seed=1, image_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(one_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A strict, empty sandbox behind the connection `grok_default`; its pictures are ready at once.

    After the test, every request that it took must be one that the API's own schema knows.
    """
    one_sandbox.backend.reset()
    connect(monkeypatch, one_sandbox)
    yield one_sandbox
    assert journal_breaches(one_sandbox.journal) == []


@pytest.fixture
def time(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time that stands still unless somebody sleeps; the drivers, triggers and the sandbox live by it."""
    sandbox.clock.rate = 0
    virtual = Time(sandbox)
    for name in ("now", "sleep", "asleep"):
        monkeypatch.setattr(wire.RealClock, name, staticmethod(getattr(virtual, name)))
    return virtual


@pytest.fixture
def slow(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox, with pictures that take half a minute."""
    from dataclasses import replace

    monkeypatch.setattr(sandbox.backend, "settings", replace(sandbox.backend.settings, image_seconds=30.0))
    return sandbox


def picture(path: Path, *, size: tuple[int, int] = (64, 48), shade: int = 0) -> Path:
    """Write a small picture, in the format of the path's ending."""
    random.seed(shade)
    image = Image.new("RGB", size, (shade % 256, 120, 200))
    held = io.BytesIO()
    image.save(held, {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[path.suffix[1:]])
    path.write_bytes(held.getvalue())
    return path


@pytest.fixture
def store(sandbox: Sandbox, tmp_path: Path) -> Callable[..., str]:
    """Put a picture into the sandbox, past the operators, and return its file id."""
    import httpx

    def put(name: str = "hero.png", shade: int = 0, **fields: str) -> str:
        path = picture(tmp_path / f"source{Path(name).suffix}", shade=shade)
        answer = httpx.post(
            f"{sandbox.url}/files",
            headers={"authorization": f"Bearer {sandbox.api_key}"},
            data=fields,
            files={"file": (name, path.read_bytes(), f"image/{path.suffix[1:].replace('jpg', 'jpeg')}")},
        )
        return str(answer.raise_for_status().json()["id"])

    return put


def asked(sandbox: Sandbox, method: str = "*", ending: str = "") -> list[dict[str, Any]]:
    """The journal's requests of a method whose path ends so."""
    return [one for one in sandbox.journal if method in ("*", one["method"]) and one["path"].endswith(ending)]


def paid(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The journal's requests that cost money."""
    return [one for one in asked(sandbox, "POST") if one["path"].startswith((CHARGED, "/v1/videos/"))]


def names(sandbox: Sandbox) -> list[str]:
    """The names of all stored files, oldest first."""
    rows = sandbox.backend.store.rows("SELECT filename FROM files WHERE deleted = 0 ORDER BY seq")
    return [row["filename"] for row in rows]


@pytest.fixture
def unused() -> str:
    """Host and port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def web_page() -> Iterator[Callable[[int], str]]:
    """Start web servers that answer everything with a page of a given status; returns their base URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int) -> str:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(b"<!DOCTYPE html><title>Welcome to nginx!</title>")

            do_POST = do_DELETE = do_GET

            def log_message(self, *args: Any) -> None:
                """Be quiet."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Page))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
