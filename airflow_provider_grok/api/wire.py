"""Calls as values, jobs as generators of calls, and the two drivers that carry them out: the only code that waits.

An endpoint function returns a `Call`: what to send, how to read the answer, whether it costs money. A job of several
steps is a generator (`Flow`) that yields calls, sleeps, questions for the time and blocking asides, and gets each
one's outcome back. `run` carries a call or a flow out in a thread, `arun` on an event loop; both step the same
generators, and the retry rule (`_attempts`) is one of them, so it exists once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_grok.api import errors, kinds
from airflow_provider_grok.api.answer import Answer, ResponseReader
from airflow_provider_grok.api.call import BlockingCall, Call, Flow, Now, Sleep, Step, Upload, Work
from airflow_provider_grok.api.endpoint import Endpoint

if TYPE_CHECKING:
    import ssl

    import httpx

    from airflow_provider_grok.api.model import ApiModel

__all__ = [
    "Answer",
    "BlockingCall",
    "Call",
    "Endpoint",
    "Flow",
    "Now",
    "Sleep",
    "Step",
    "Upload",
    "Work",
    "arun",
    "run",
]

T = TypeVar("T")

#: The longest `Retry-After`, in seconds, that is waited for in place; a longer one is left to Airflow's retry.
LONGEST_WAIT = 60.0


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


def run(endpoint: Endpoint, work: Work[T], *, clock: Clock = REAL_CLOCK, may_buy: bool = True) -> T:
    """Carry a call or a flow out in this thread, and return its value.

    :param endpoint: where and as whom.
    :param work: a call or a flow.
    :param clock: the time to live by.
    :param may_buy: whether calls that cost money may be among its steps.
    :raises GrokError: whatever the flow does not handle itself.
    """
    import httpx

    steps = _plan(endpoint, work, may_buy)
    outcome = _Outcome()
    with httpx.Client(timeout=endpoint.timeout, verify=_tls(), follow_redirects=False) as client:
        for step in outcome.drive(steps):
            with outcome:
                if isinstance(step, Call):
                    outcome.value = _send(client, endpoint, step)
                elif isinstance(step, Sleep):
                    clock.sleep(step.seconds)
                else:
                    outcome.value = clock.now() if isinstance(step, Now) else step.action()
    result: T = outcome.result
    return result


async def arun(endpoint: Endpoint, work: Work[T], *, clock: Clock = REAL_CLOCK, may_buy: bool = True) -> T:
    """Carry a call or a flow out on the running event loop, and return its value.

    All work of one loop and endpoint share a client, with `max_in_flight` requests under way at a time.

    :param endpoint: where and as whom.
    :param work: a call or a flow.
    :param clock: the time to live by.
    :param may_buy: whether calls that cost money may be among its steps.
    :raises GrokError: whatever the flow does not handle itself.
    """
    steps = _plan(endpoint, work, may_buy)
    outcome = _Outcome()
    async with shared_client(endpoint) as shared:
        for step in outcome.drive(steps):
            with outcome:
                if isinstance(step, Call):
                    async with shared.gate:
                        outcome.value = await _asend(shared.client, endpoint, step)
                elif isinstance(step, Sleep):
                    await clock.asleep(step.seconds)
                else:
                    outcome.value = clock.now() if isinstance(step, Now) else await asyncio.to_thread(step.action)
    result: T = outcome.result
    return result


class _Outcome:
    """What the last step of a flow came to; feeds it back and keeps the flow's result."""

    def __init__(self) -> None:
        self.value: Any = None
        self.error: Exception | None = None
        self.result: Any = None

    def drive(self, steps: Generator[Step, Any, Any]) -> Iterator[Step]:
        """Yield the steps of a flow one by one; between two, the driver sets the outcome of the last."""
        try:
            while True:
                value, error, self.value, self.error = self.value, self.error, None, None
                yield steps.throw(error) if error else steps.send(value)
        except StopIteration as end:
            self.result = end.value
        finally:
            steps.close()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


def _plan(endpoint: Endpoint, work: Work[T], may_buy: bool) -> Generator[Step, Any, T]:
    """Step a call or a flow, putting every call under the retry rule."""
    outcome = _Outcome()
    for step in outcome.drive(iter(work)):
        with outcome:
            if isinstance(step, Call):
                outcome.value = yield from _attempts(endpoint, step if may_buy else _free(step))
            else:
                outcome.value = yield step
    result: T = outcome.result
    return result


def _free(call: Call[T]) -> Call[T]:
    if call.paid:
        batch = kinds.makes(call.path, "batch")
        raise errors.InvalidRequest(
            f"{call.method} {call.shown_path} costs money, and a mere run could pay for it twice. Use "
            + ("GrokBatchOperator." if batch else "hook.buy(...), or hook.abuy(...) on an event loop.")
        )
    return call


def _attempts(endpoint: Endpoint, call: Call[T]) -> Generator[Step, Any, T]:
    """The retry rule: send, read, and send again where that can neither harm nor cost."""
    most = call.attempts or endpoint.max_attempts
    for attempt in range(1, most + 1):
        try:
            answer: Answer = yield call
            if answer.status == 404 and attempt > 1 and call.absent:
                return call.absent()
            return _read(call, answer)
        except errors.GrokError as error:
            pause = pause_after(error, attempt, may_repeat=call.may_repeat)
            if pause is None or attempt == most:
                raise
        yield Sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")


def pause_after(error: errors.GrokError, attempt: int, *, may_repeat: bool) -> float | None:
    """How long to wait before sending a call again; None where it must not be sent again.

    A 429 was refused before any work, so every call may follow it; everything else only calls that do no harm twice.

    :param error: what the attempt ended with.
    :param attempt: number of that attempt, from 1.
    :param may_repeat: whether sending the call twice does no harm.
    """
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps no secret
    if isinstance(error, errors.RateLimited):
        if error.retry_after is None:
            return min(30.0, 2.0 ** (attempt - 1)) * jitter
        return error.retry_after if error.retry_after <= LONGEST_WAIT else None
    if may_repeat and error.transient:
        if isinstance(error, errors.ServerUnavailable) and error.retry_after is not None:
            return error.retry_after if error.retry_after <= LONGEST_WAIT else None
        return min(8.0, 0.25 * 2.0 ** (attempt - 1)) * jitter
    return None


def _read(call: Call[T], answer: Answer) -> T:
    if 200 <= answer.status < 300 or answer.status in call.accept:
        return call.read(answer)
    if answer.status in (404, 405) and answer.content_type == "text/html" and not call.anonymous:
        # The API itself says no in JSON: this is some other server, and about the thing asked for it says nothing.
        answer.document()
    raise errors.refusal(
        call.method,
        call.shown_path,
        answer.status,
        answer.body,
        request_id=answer.request_id,
        paid=call.paid,
        retry_after=answer.retry_after(),
    )


def _send(client: httpx.Client, endpoint: Endpoint, call: Call[Any]) -> Answer:
    import httpx

    intake = ResponseReader(endpoint, call)
    try:
        with intake.request() as request, client.stream(**request) as response, intake.body(response) as sink:
            for chunk in response.iter_bytes():
                sink(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise intake.failure(error) from error
    return intake.answer()


async def _asend(client: httpx.AsyncClient, endpoint: Endpoint, call: Call[Any]) -> Answer:
    import httpx

    intake = ResponseReader(endpoint, call)
    try:
        with intake.request() as request:
            async with client.stream(**request) as response:
                with intake.body(response) as sink:
                    async for chunk in response.aiter_bytes():
                        sink(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise intake.failure(error) from error
    return intake.answer()


@cache
def _tls() -> ssl.SSLContext:
    # Loading the certificates is most of what a client costs to make.
    import httpx

    return httpx.create_ssl_context()


def prepare(*documents: type[ApiModel]) -> None:
    """Do beforehand, in a thread, what would stop an event loop at its first call for tens of milliseconds.

    :param documents: models of answers that will be read.
    """
    _tls()
    for document in documents:
        document.model_rebuild()


@dataclass
class SharedClient:
    """One HTTP client that all work of an event loop and an endpoint use, with a queue in front.

    :param client: the client.
    :param gate: lets `max_in_flight` requests through at a time.
    """

    client: httpx.AsyncClient
    gate: asyncio.Semaphore
    users: int = 0


# Keyed weakly by the loop object: id(loop) is used again once a loop is gone.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Endpoint, SharedClient]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_client(endpoint: Endpoint) -> AsyncIterator[SharedClient]:
    """Lease the running loop's client for an endpoint; the last one to leave closes it.

    :param endpoint: where and as whom.
    """
    import httpx

    here = _shared.setdefault(asyncio.get_running_loop(), {})
    if endpoint not in here:
        client = httpx.AsyncClient(timeout=endpoint.timeout, verify=_tls(), follow_redirects=False)
        here[endpoint] = SharedClient(client, asyncio.Semaphore(endpoint.max_in_flight))
    shared = here[endpoint]
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del here[endpoint]
            await shared.client.aclose()
