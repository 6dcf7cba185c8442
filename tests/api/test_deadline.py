"""One deadline for a whole exchange: whatever a server drips, the wait for it ends, in threads and on event loops."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import deadline as deadlines
from airflow_provider_grok.api import errors, files, images, wire
from airflow_provider_grok.api.deadline import PATIENCE, SLOWEST, Deadline
from airflow_provider_grok.api.wire import Endpoint
from tests.api.hostile_server import Handler, HostileServer, answer, drip

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
#: Seconds that an exchange may take as a whole; a single wait may take ten.
PATIENT = 0.4
DRIPS = {
    "the status line": drip(b"HTTP/1.1", b" "),
    "headers": drip(OK, b"x: y\r\n"),
    "one long header": drip(OK + b"x: ", b"y"),
    "answers of 1xx": drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "100 Continue": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": drip(OK + b"content-length: 1000000\r\n\r\n", b" "),
    "a body without a length": drip(OK + b"connection: close\r\n\r\n", b" "),
    "chunks": drip(CHUNKED, b"1\r\n \r\n"),
    "a chunk's extension": drip(CHUNKED + b"1;", b"x"),
    "trailers": drip(CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n"),
}


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "PATIENCE", PATIENT / 10)


@pytest.fixture(params=["run", "arun"])
def driver(request: pytest.FixtureRequest) -> Callable[[Endpoint, Any], Any]:
    return wire.run if request.param == "run" else lambda *work: asyncio.run(wire.arun(*work))


@pytest.mark.parametrize("handle", DRIPS.values(), ids=DRIPS)
@pytest.mark.usefixtures("hurry")
def test_an_exchange_ends_whatever_a_server_drips(driver: Any, handle: Handler) -> None:
    with HostileServer(handle) as server:
        endpoint, began = Endpoint(server.url, "k", timeout=10), time.monotonic()
        with pytest.raises(errors.ResponseLost, match="still trickling in after") as caught:
            driver(endpoint, images.generate({"prompt": "x"}))
        assert PATIENT * 0.9 < time.monotonic() - began < PATIENT + 2
    assert (caught.value.outcome_unknown, caught.value.billed) == (True, None)
    assert not [thread.name for thread in threading.enumerate() if thread.name == "xai-deadline"]


@pytest.mark.usefixtures("hurry")
def test_a_download_ends_too_and_the_waiting_of_others_is_not_touched(tmp_path: Path) -> None:
    async def main(slow: Endpoint, good: Endpoint) -> list[Any]:
        lost = wire.arun(slow, replace(files.content("file_1", tmp_path / "got"), attempts=1))
        found = (wire.arun(good, files.get("file_1")) for _ in range(3))
        return await asyncio.gather(lost, *found, return_exceptions=True)

    whole = OK + b'content-length: 16\r\nconnection: close\r\n\r\n{"id": "file_1"}'
    with HostileServer(DRIPS["chunks"]) as slow, HostileServer(answer(whole)) as good:
        patient = Endpoint(slow.url, "k", timeout=10)
        lost, *found = asyncio.run(main(patient, Endpoint(good.url, "k")))
    assert isinstance(lost, errors.ResponseLost)
    assert [file.id for file in found] == ["file_1"] * 3


@pytest.mark.parametrize("opening", [b"", b"\x16\x03\x03\x40\x00"])
def test_a_handshake_that_never_ends_sends_nothing(driver: Any, opening: bytes) -> None:
    with HostileServer(drip(opening, b"\x00", ask=bool(opening))) as server:
        endpoint = Endpoint(server.url.replace("http:", "https:"), "k", timeout=0.5)
        with pytest.raises(errors.Unreachable) as caught:
            driver(endpoint, images.generate({"prompt": "x"}))
    assert (caught.value.outcome_unknown, caught.value.never_sent) == (False, True)


@pytest.mark.usefixtures("hurry")
def test_a_proxy_that_never_connects_sends_nothing(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with HostileServer(drip(OK, b"x: y\r\n")) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        endpoint = Endpoint("https://api.example/v1", "k", timeout=10)
        with pytest.raises(errors.Unreachable, match="Nothing was sent"):
            driver(endpoint, images.generate({"prompt": "x"}))


def test_a_task_that_is_cancelled_is_cancelled_and_no_answer_lost() -> None:
    async def main(endpoint: Endpoint) -> None:
        waiting = asyncio.ensure_future(wire.arun(endpoint, files.get("file_1")))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await waiting

    with HostileServer(DRIPS["headers"]) as server, pytest.raises(asyncio.CancelledError):
        asyncio.run(main(Endpoint(server.url, "k", timeout=60)))


@pytest.mark.usefixtures("hurry")
def test_a_session_goes_on_after_an_exchange_that_was_cut_off() -> None:
    turns = iter([DRIPS["headers"], answer(OK + b'content-length: 16\r\n\r\n{"id": "file_1"}')])
    with HostileServer(lambda *connection: next(turns)(*connection)) as server:
        endpoint = Endpoint(server.url, "k", timeout=10, max_attempts=2)
        with wire.session(endpoint) as session:
            assert session.run(files.get("file_1")).id == "file_1"


def test_bytes_that_move_put_the_deadline_off() -> None:
    deadline = Deadline(1.0, sent=10 * SLOWEST)
    assert PATIENCE + 9 < deadline.left() <= PATIENCE + 10
    deadline.moved += 5 * SLOWEST
    assert PATIENCE + 14 < deadline.left() <= PATIENCE + 15
