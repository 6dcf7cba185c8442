"""A Redis of its own in a temporary folder, as Celery's broker."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from tests.e2e.process import Process
from tests.e2e.rest import until
from tests.e2e.settings import free_port


class Broker:
    """A Redis server on a free port of 127.0.0.1 that keeps nothing on disk."""

    def __init__(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed: tests/distributed needs it, e.g. from apt-get")
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._server = Process(
            [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"],
            log=self.folder / "log",
            environment=os.environ,
            cwd=self.folder,
        )

    def __enter__(self) -> Broker:
        try:
            self._server.start()
            until(self._ready, 60, self._server.output)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(grace=10)
        shutil.rmtree(self.folder)

    @property
    def url(self) -> str:
        """Its address, as Celery wants it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _ready(self) -> bool | None:
        if not self._server.running:
            raise RuntimeError(f"Redis ended by itself:\n{self._server.output()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                line.sendall(b"PING\r\n")
                return line.recv(100).startswith(b"+PONG") or None
        except OSError:
            return None
