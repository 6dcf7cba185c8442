"""A Redis of its own, as Celery's broker."""

from __future__ import annotations

import shutil
import socket

from .server import Server


class Broker(Server):
    """A Redis server that keeps nothing on disk."""

    name = "Redis"

    @property
    def url(self) -> str:
        """Its address, as Celery wants it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """What starts it."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed: tests/distributed needs it, e.g. from apt-get")
        return [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def prepare(self) -> None:
        """Nothing comes before its start."""

    def answers(self) -> bool:
        """Whether it can be asked."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                line.sendall(b"PING\r\n")
                return line.recv(100).startswith(b"+PONG")
        except OSError:
            return False
