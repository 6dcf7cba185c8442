"""`Sandbox`: the stand-in for the API as a context manager, for tests and for the command line."""

from __future__ import annotations

import errno
import logging
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from airflow_provider_grok.sandbox.app import Application
from airflow_provider_grok.sandbox.backend import Backend, Settings
from airflow_provider_grok.sandbox.clock import Clock
from airflow_provider_grok.sandbox.connection_line import DEFAULT_KEY
from airflow_provider_grok.sandbox.data_lock import DataLock
from airflow_provider_grok.sandbox.faults import Faults
from airflow_provider_grok.sandbox.host_guard import is_local
from airflow_provider_grok.sandbox.ledger import Ledger

START_SECONDS = 30  # how long the server may take to come up
KEEP_ALIVE = 120  # seconds; longer than clients keep idle connections, so that they close them and not we
STOP_SECONDS = 2  # how long running requests may finish


class Sandbox:
    """A running sandbox.

    with Sandbox() as sandbox:
        httpx.get(f"{sandbox.url}/files", headers={"authorization": f"Bearer {sandbox.api_key}"})
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        data: str | Path | None = None,
        clock_rate: float | None = None,
        api_key: str = DEFAULT_KEY,
        seed: int | None = None,
        strict: bool = False,
        batch_storage: bool = True,
        image_seconds: float = 0.5,
        video_seconds: float = 4.0,
        batch_seconds: float = 4.0,
        link_quota: int = 1000,
        rate_limits: bool = False,
        custom_voices: Sequence[str] = (),
        results_grace: float = 0.0,
    ) -> None:
        """Prepare a sandbox; it starts with `with` or `start`.

        :param host: address to listen on.
        :param port: 0 for any free one.
        :param data: folder that keeps the state; without one it is temporary and removed at the end.
        :param clock_rate: sandbox seconds per real second; by default 1, or that of the kept state.
        :param api_key: the one key it accepts.
        :param seed: of ids and pictures; None gives others each time.
        :param strict: refuse unknown fields instead of noting them.
        :param batch_storage: whether batches honour `storage_options`.
        :param image_seconds: how long a deferred image takes, by the clock.
        :param video_seconds: how long a video takes, by the clock.
        :param batch_seconds: how long a batch takes, by the clock.
        :param link_quota: how many public URLs may be active at once.
        :param rate_limits: refuse too many requests a second, as the API does: 5 for an image model, 1 for a video
            model, and those of batches.
        :param custom_voices: ids of voices that videos accept besides the presets.
        :param results_grace: seconds for which the results of a batch can still be read after its `expire_time`.
        """
        self.settings = Settings(
            api_key=api_key,
            seed=seed,
            strict=strict,
            batch_storage=batch_storage,
            image_seconds=image_seconds,
            video_seconds=video_seconds,
            batch_seconds=batch_seconds,
            link_quota=link_quota,
            rate_limits=rate_limits,
            custom_voices=tuple(custom_voices),
            results_grace=results_grace,
        )
        self.api_key = api_key
        self._host, self._port = host, port
        self._data = Path(data) if data is not None else None
        self._clock_rate = clock_rate
        self.url = ""

    def start(self) -> Sandbox:
        """Start to serve and return when ready.

        :raises OSError: if the port is taken, or the data folder is another sandbox's.
        :raises RuntimeError: if the server does not come up.
        """
        self._socket = listen(self._host, self._port)
        try:
            self._folder = self._data or Path(tempfile.mkdtemp(prefix="grok-sandbox-"))
            self._lock = DataLock(self._folder)
        except OSError:
            self._socket.close()
            raise
        self.backend = Backend(self._folder, self.settings, Clock(), self._clock_rate)
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self._server = uvicorn.Server(server_config(Application(self.backend, loopback=is_local(shown))))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="grok-sandbox", daemon=True
        )
        self._thread.start()
        self._wait_until_up()
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}/v1"
        return self

    def _wait_until_up(self) -> None:
        pause = threading.Event()
        for _ in range(START_SECONDS * 200):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            pause.wait(0.005)
        raise RuntimeError("The sandbox's server did not start; see the log of uvicorn.")

    def stop(self) -> None:
        """Stop serving; remove the state if it was temporary."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self.backend.close()
        self._lock.release()
        if self._data is None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sandbox:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def clock(self) -> Clock:
        """The sandbox's time: `now()`, `advance(seconds)`, `rate`."""
        return self.backend.clock

    @property
    def faults(self) -> Faults:
        """What is to go wrong: `add({...})`, `clear()`, `list`."""
        return self.backend.faults

    @property
    def journal(self) -> list[dict[str, Any]]:
        """All requests to the API so far, oldest first."""
        return self.backend.journal.entries

    @property
    def ledger(self) -> Ledger:
        """What was billed: `charges`, `total_ticks`."""
        return self.backend.ledger


def server_config(application: Application) -> uvicorn.Config:
    """Return how uvicorn serves: no web sockets, and no word of a proxy about who the client is."""
    return uvicorn.Config(
        application,
        ws="none",
        proxy_headers=False,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=2048,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a port.

    :raises OSError: if it cannot be had.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is none: give 1 to 65535, or 0 for any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            words = (
                f"port {port} of {host} is in use: stop what listens there, or give another --port (0: any free one)"
            )
            raise OSError(error.errno, words) from None
        raise
    return listener
