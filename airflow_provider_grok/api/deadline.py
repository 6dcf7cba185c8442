"""One deadline for a whole exchange, from the connection to the last byte, in a thread and on an event loop."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

#: How many times the endpoint's `timeout` an exchange may take as a whole, besides a second for so many bytes of it.
PATIENCE, SLOWEST = 5, 10_000
#: How often connections are cut that come about after the deadline, in seconds.
_AGAIN = 0.1


class Deadline:
    """When an exchange is too late; every byte that moves puts it off a little.

    :param timeout: the endpoint's, in seconds.
    :param sent: bytes that are to be sent.
    """

    def __init__(self, timeout: float, sent: int = 0) -> None:
        self.seconds, self.moved = PATIENCE * timeout, sent
        self.began = time.monotonic()

    def left(self) -> float:
        """Seconds until then; below 0 when it has passed."""
        return self.began + self.seconds + self.moved / SLOWEST - time.monotonic()


class Watchdog:
    """Cuts connections off when the deadline passes: a thread that waits for a byte cannot look at the clock.

    httpx limits the wait for each piece only, and a server may send one byte after the other: of headers, of 1xx
    answers, of trailers. Shutting the socket down from another thread ends a wait at once, whatever it is for.

    :param deadline: when that is.
    :param streams: the client's network streams; may grow while it watches.
    """

    def __init__(self, deadline: Deadline, streams: Iterable[Any]) -> None:
        self.deadline, self.streams, self.expired = deadline, streams, False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="xai-deadline", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_AGAIN if self.expired else max(self.deadline.left(), 0.0)):
            self.expired = self.expired or self.deadline.left() <= 0
            if self.expired:
                self._cut()

    def _cut(self) -> None:
        for stream in tuple(self.streams):
            # One that has been closed already, or was wrapped into TLS meanwhile, needs no cutting.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
