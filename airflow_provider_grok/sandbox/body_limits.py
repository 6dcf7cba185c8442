"""Limits on request bodies, before anything else looks at a request: how large, and how slow, in all."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive

from airflow_provider_grok.sandbox.errors import Refusal

LARGEST_BODY = 64 * 1024 * 1024  # bytes: an upload of 50 MiB with room for its form
LARGEST_ORDER = 1024 * 1024  # bytes of an order to the control interface
BODY_SECONDS = 60.0  # real seconds for a whole body, however many pieces it comes in


class LimitedBody:
    """The server's channel of a request; it counts the bytes and refuses a body that is too large or too slow.

    :param receive: the server's channel.
    :param largest: bytes.
    """

    def __init__(self, receive: Receive, largest: int) -> None:
        self._receive = receive
        self._largest = largest
        self._deadline: float | None = None
        self._ended = False
        self.count = 0

    async def __call__(self) -> Message:
        """Return the next message.

        :raises Refusal: 413 for too large a body, 408 for too slow a one.
        """
        if self._ended:  # what comes now is the end of the connection, which may take its time
            return await self._receive()
        now = asyncio.get_running_loop().time()
        if self._deadline is None:  # it counts from the first read: a fault's delay before it is ours
            self._deadline = now + BODY_SECONDS
        try:
            message = await asyncio.wait_for(self._receive(), max(self._deadline - now, 0))
        except asyncio.TimeoutError:
            self._ended = True
            raise Refusal(408, f"The request body did not arrive within {BODY_SECONDS:g} s.") from None
        self.count += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self.count > self._largest:
            self._ended = True
            raise Refusal(413, f"The request body is larger than {self._largest} bytes.")
        return message
