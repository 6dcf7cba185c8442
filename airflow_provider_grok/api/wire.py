"""Calls as values, jobs as generators of calls, and the two drivers that carry them out: the only code that waits.

An endpoint function returns a `Call`: what to send, how to read the answer, whether it costs money. A job of several
steps is a generator (`Flow`) that yields calls, sleeps, questions for the time and blocking asides, and gets each
one's outcome back. `run` carries a call or a flow out in a thread, `arun` on an event loop; both step the same
generators, and the retry rule (`retry.py`) is one of them, so it exists once. `steps` puts work under that rule: who
carries its steps out by other means than HTTP, such as a simulated server, starts there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_grok.api import client as clients
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import BlockingCall, Call, Flow, Now, Sleep, Step, Upload, Work
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.exchange import asend, send
from airflow_provider_grok.api.retry import LONGEST_WAIT, Outcome, pause_after, steps

if TYPE_CHECKING:
    import httpx

    from airflow_provider_grok.api.model import ApiModel

__all__ = [
    "LONGEST_WAIT",
    "REAL_CLOCK",
    "Answer",
    "BlockingCall",
    "Call",
    "Clock",
    "Endpoint",
    "Flow",
    "Now",
    "RealClock",
    "Session",
    "SharedClient",
    "Sleep",
    "Step",
    "Upload",
    "Work",
    "arun",
    "pause_after",
    "prepare",
    "run",
    "session",
    "shared_client",
    "steps",
]

T = TypeVar("T")


class Clock(Protocol):
    """The time as the drivers see it; tests pass one of their own."""

    def now(self) -> float:
        """Unix seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait in a thread."""

    async def asleep(self, seconds: float) -> None:
        """Wait on an event loop."""


class RealClock:
    """The machine's own time."""

    now = staticmethod(time.time)
    sleep = staticmethod(time.sleep)
    asleep = staticmethod(asyncio.sleep)


REAL_CLOCK: Clock = RealClock()


class Session:
    """All that one task does, over one client and the connections that it keeps; for one thread.

    :param endpoint: where and as whom.
    :param clock: the time to live by.
    """

    def __init__(self, endpoint: Endpoint, *, clock: Clock = REAL_CLOCK) -> None:
        self.endpoint, self.clock = endpoint, clock
        self._client: httpx.Client | None = None
        #: Its connections, for the watchdog; more are never open at a time.
        self._streams: deque[Any] = deque(maxlen=64)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call would open new ones."""
        if self._client:
            self._client.close()
            self._client = None

    def run(self, work: Work[T], *, may_buy: bool = True) -> T:
        """Carry a call or a flow out in this thread, and return its value.

        :param work: a call or a flow.
        :param may_buy: whether calls that cost money may be among its steps.
        :raises GrokError: whatever the flow does not handle itself.
        """
        outcome = Outcome()
        for step in outcome.drive(steps(self.endpoint, work, may_buy)):
            with outcome:
                if isinstance(step, Call):
                    outcome.value = send(self.client, self._streams, self.endpoint, step)
                elif isinstance(step, Sleep):
                    self.clock.sleep(step.seconds)
                else:
                    outcome.value = self.clock.now() if isinstance(step, Now) else step.action()
        result: T = outcome.result
        return result

    @property
    def client(self) -> httpx.Client:
        """The client, made when the first call needs it."""
        if self._client is None:
            self._client = clients.client(self.endpoint)
        return self._client


def session(endpoint: Endpoint, *, clock: Clock = REAL_CLOCK) -> Session:
    """Open a session: `with wire.session(endpoint) as session: session.run(flow)`.

    :param endpoint: where and as whom.
    :param clock: the time to live by.
    """
    return Session(endpoint, clock=clock)


def run(
    endpoint: Endpoint,
    work: Work[T],
    *,
    clock: Clock = REAL_CLOCK,
    may_buy: bool = True,
    session: Session | None = None,
) -> T:
    """Carry a call or a flow out in this thread, and return its value.

    :param endpoint: where and as whom.
    :param work: a call or a flow.
    :param clock: the time to live by.
    :param may_buy: whether calls that cost money may be among its steps.
    :param session: a session of the same endpoint to use, with its own clock; None: one for this work alone.
    :raises GrokError: whatever the flow does not handle itself.
    """
    if session is not None and session.endpoint == endpoint:
        return session.run(work, may_buy=may_buy)
    with Session(endpoint, clock=clock) as own:
        return own.run(work, may_buy=may_buy)


async def arun(endpoint: Endpoint, work: Work[T], *, clock: Clock = REAL_CLOCK, may_buy: bool = True) -> T:
    """Carry a call or a flow out on the running event loop, and return its value.

    All work of one loop and endpoint share their connections, with `max_in_flight` requests under way at a time.

    :param endpoint: where and as whom.
    :param work: a call or a flow.
    :param clock: the time to live by.
    :param may_buy: whether calls that cost money may be among its steps.
    :raises GrokError: whatever the flow does not handle itself.
    """
    outcome = Outcome()
    async with shared_client(endpoint) as shared:
        for step in outcome.drive(steps(endpoint, work, may_buy)):
            with outcome:
                if isinstance(step, Call):
                    async with shared.client() as client:
                        outcome.value = await asend(client, endpoint, step)
                elif isinstance(step, Sleep):
                    await clock.asleep(step.seconds)
                else:
                    outcome.value = clock.now() if isinstance(step, Now) else await asyncio.to_thread(step.action)
    result: T = outcome.result
    return result


def prepare(*documents: type[ApiModel]) -> None:
    """Do beforehand, in a thread, what would stop an event loop at its first call for tens of milliseconds.

    :param documents: models of answers that will be read.
    """
    clients.tls()
    for document in documents:
        document.model_rebuild()


class SharedClient:
    """The HTTP clients that all work of an event loop and an endpoint share, with a queue in front.

    Each has one request under way at a time, so that its pool holds one connection: a pool of many asks the socket of
    each idle one for every request, which is half the CPU of a poll. The one that was used last is used next, so there
    are as many as are needed at a time.

    :param endpoint: where and as whom; `max_in_flight` requests are let through at a time.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.users = endpoint, 0
        self.gate = asyncio.Semaphore(endpoint.max_in_flight)
        self.idle: list[httpx.AsyncClient] = []

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Lease a client for one request, as soon as there is room for it."""
        async with self.gate:
            client = self.idle.pop() if self.idle else clients.async_client(self.endpoint)
            try:
                yield client
            finally:
                self.idle.append(client)

    async def aclose(self) -> None:
        """Close all connections."""
        while self.idle:
            await self.idle.pop().aclose()


# Keyed weakly by the loop object: id(loop) is used again once a loop is gone.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Endpoint, SharedClient]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_client(endpoint: Endpoint) -> AsyncIterator[SharedClient]:
    """Lease the running loop's clients for an endpoint; the last one to leave closes them.

    :param endpoint: where and as whom.
    """
    here = _shared.setdefault(asyncio.get_running_loop(), {})
    if endpoint not in here:
        here[endpoint] = SharedClient(endpoint)
    shared = here[endpoint]
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del here[endpoint]
            await shared.aclose()
