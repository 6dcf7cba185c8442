"""A server for tests that does with a connection whatever it is told, until it is stopped."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

#: Handles one connection; the event is set when the server stops.
Handler = Callable[[socket.socket, threading.Event], Any]


class HostileServer:
    """Gives each connection to a handler, each in a thread of its own.

    :param handle: what is done with a connection.
    :param host: address to listen at.
    """

    def __init__(self, handle: Handler, host: str = "127.0.0.1") -> None:
        self.handle, self.stopped = handle, threading.Event()
        self.socket = socket.create_server((host, 0))
        self.port: int = self.socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}/v1"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def __enter__(self) -> HostileServer:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.stopped.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.settimeout(5)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self.threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.handle(connection, self.stopped)


def drip(opening: bytes, drop: bytes, *, ask: bool = True) -> Handler:
    """Say something at once, and then a drop of something for ever.

    :param opening: what is said first.
    :param drop: what is said again and again, a hundred times a second.
    :param ask: whether to wait for the request first.
    """

    def handle(connection: socket.socket, stopped: threading.Event) -> None:
        if ask:
            connection.recv(65536)
        connection.sendall(opening)
        while not stopped.wait(0.01):
            connection.sendall(drop)

    return handle


def answer(raw: bytes) -> Handler:
    """Answer every request with the same bytes, and hang up.

    :param raw: the answer.
    """

    def handle(connection: socket.socket, stopped: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return handle
