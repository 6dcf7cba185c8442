"""Fixtures for tests of the API layer: a sandbox, a server that says what it is told, time that moves when slept."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_grok.api.wire import Endpoint, arun, run
from airflow_provider_grok.sandbox.server import Sandbox


class SteppedTime:
    """A clock for the drivers: sleeping takes no time, moves the sandbox's clock, and is written down."""

    def __init__(self, advance: Callable[[float], Any], now: Callable[[], float]) -> None:
        self.slept: list[float] = []
        self.advance, self.now = advance, now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


class Carrier:
    """Carries work out with one of the two drivers, and remembers the pauses."""

    def __init__(self, driver: str, endpoint: Endpoint, time: SteppedTime) -> None:
        self.driver, self.endpoint, self.time = driver, endpoint, time

    def __call__(self, work: Any, endpoint: Endpoint | None = None) -> Any:
        if self.driver == "run":
            return run(endpoint or self.endpoint, work, clock=self.time)
        return asyncio.run(arun(endpoint or self.endpoint, work, clock=self.time))

    @property
    def slept(self) -> list[float]:
        return self.time.slept


@pytest.fixture(scope="module")
def one_sandbox() -> Iterator[Sandbox]:
    with Sandbox(strict=True, seed=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(one_sandbox: Sandbox) -> Sandbox:
    one_sandbox.backend.reset()
    return one_sandbox


@pytest.fixture(params=["run", "arun"])
def carry(request: pytest.FixtureRequest, sandbox: Sandbox) -> Carrier:
    time = SteppedTime(sandbox.clock.advance, sandbox.clock.now)
    return Carrier(request.param, Endpoint(sandbox.url, sandbox.api_key), time)


@pytest.fixture
def buy(sandbox: Sandbox) -> Carrier:
    """One driver only, for tests of what is sent and read rather than how."""
    time = SteppedTime(sandbox.clock.advance, sandbox.clock.now)
    return Carrier("run", Endpoint(sandbox.url, sandbox.api_key), time)


class Script:
    """A server that answers each request with the next of its raw answers; empty bytes hang up."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def say(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        """Add a regular answer."""
        raw = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status} -", f"content-length: {len(raw)}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.answers.append("\r\n".join([*lines, "", ""]).encode() + raw)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data and (chunk := connection.recv(65536)):
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length and (chunk := connection.recv(65536)):
            body += chunk
        self.requests.append(head + b"\r\n\r\n" + body)
        if self.answers and (answer := self.answers.pop(0)):
            connection.sendall(answer)


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    yield server
    # A thread blocked in accept() is woken by nothing but a connection or a shutdown.
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    server.thread.join()


@pytest.fixture(params=["run", "arun"])
def ask(request: pytest.FixtureRequest, script: Script) -> Carrier:
    now = [1_795_000_000.0]
    time = SteppedTime(lambda seconds: now.__setitem__(0, now[0] + seconds), lambda: now[0])
    return Carrier(request.param, Endpoint(script.url, "xai-secret-key", timeout=5.0), time)
