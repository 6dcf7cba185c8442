"""Calls as values, jobs as generators of calls, and the two drivers that carry them out: the only code that waits.

An endpoint function returns a `Call`: what to send, how to read the answer, whether it costs money. A job of several
steps is a generator (`Flow`) that yields calls, sleeps, questions for the time and blocking asides, and gets each
one's outcome back. `run` carries a call or a flow out in a thread, `arun` on an event loop; both step the same
generators, and the retry rule (`_attempts`) is one of them, so it exists once. `steps` puts work under that rule: who
carries its steps out by other means than HTTP, such as a simulated server, starts there.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from airflow_provider_grok.api import client as clients
from airflow_provider_grok.api import errors
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import BlockingCall, Call, Flow, Now, Sleep, Step, Upload, Work
from airflow_provider_grok.api.client import quiet_logs
from airflow_provider_grok.api.deadline import Watchdog
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.response import ResponseReader

if TYPE_CHECKING:
    import httpx

    from airflow_provider_grok.api.model import ApiModel

__all__ = [
    "Answer",
    "BlockingCall",
    "Call",
    "Endpoint",
    "Flow",
    "Now",
    "Session",
    "Sleep",
    "Step",
    "Upload",
    "Work",
    "arun",
    "run",
    "session",
    "steps",
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
        outcome = _Outcome()
        for step in outcome.drive(steps(self.endpoint, work, may_buy)):
            with outcome:
                if isinstance(step, Call):
                    outcome.value = _send(self.client, self._streams, self.endpoint, step)
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

    All work of one loop and endpoint share a client, with `max_in_flight` requests under way at a time.

    :param endpoint: where and as whom.
    :param work: a call or a flow.
    :param clock: the time to live by.
    :param may_buy: whether calls that cost money may be among its steps.
    :raises GrokError: whatever the flow does not handle itself.
    """
    outcome = _Outcome()
    async with shared_client(endpoint) as shared:
        for step in outcome.drive(steps(endpoint, work, may_buy)):
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


def steps(endpoint: Endpoint, work: Work[T], may_buy: bool = True) -> Generator[Step, Any, T]:
    """Step a call or a flow, putting every call under the retry rule; needs no network and no clock.

    What it yields is to be carried out: a `Call` gives an `Answer`, a `Sleep` None, `Now` unix seconds, a
    `BlockingCall` what its action gives. Outcomes are sent in, errors of a step thrown in.

    :param endpoint: says how often a call is tried.
    :param work: a call or a flow.
    :param may_buy: whether calls that cost money may be among its steps.
    """
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
        batch = call.path.startswith("/batches")
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
            if attempt > 1 and call.absent and answer.status == 404 and errors.is_refusal(404, answer.body):
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

    The API's own 429 was refused before any work, so every call may follow it. After everything else, a 429 of
    something in between too, only calls that do no harm twice are sent again.

    :param error: what the attempt ended with.
    :param attempt: number of that attempt, from 1.
    :param may_repeat: whether sending the call twice does no harm.
    """
    if not may_repeat and error.outcome_unknown:
        return None
    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps no secret
    short = min(8.0, 0.25 * 2.0 ** (attempt - 1)) * jitter
    if isinstance(error, errors.RateLimited):
        return _asked_for(error.retry_after, short, min(30.0, 2.0 ** (attempt - 1)) * jitter)
    if not may_repeat or not error.transient:
        return None
    if isinstance(error, errors.ServerUnavailable):
        return _asked_for(error.retry_after, short, short)
    # A page or a redirect in the API's place will not be gone in a second: it is for who waits to bear it.
    return None if isinstance(error, errors.ApiError) else short


def _asked_for(retry_after: float | None, least: float, usual: float) -> float | None:
    """The pause that a server asks for, but not so short that it makes a busy loop, and none over a minute."""
    if retry_after is None:
        return usual
    return max(retry_after, least) if retry_after <= LONGEST_WAIT else None


def _read(call: Call[T], answer: Answer) -> T:
    if 200 <= answer.status < 300 or answer.status in call.accept:
        try:
            return call.read(answer)
        except errors.InvalidRequest as error:
            trouble = errors.clean(str(error), 200)
        except errors.GrokError:
            raise
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            trouble = errors.clean(f"{type(error).__name__}: {error}", 200)
        # The server made it up, and the request was sent: neither the caller's mistake nor a fault of the program.
        raise errors.NotAnApiResponse(f"{call.method} {call.shown_path}: the answer makes no sense ({trouble}).")
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
        check=not call.anonymous,
    )


def _send(client: httpx.Client, streams: deque[Any], endpoint: Endpoint, call: Call[Any]) -> Answer:
    reader, failure = ResponseReader(endpoint, call), None

    def trace(event: str, info: Mapping[str, Any]) -> None:
        reader.trace(event, info)
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            streams.append(info["return_value"])

    with quiet_logs(), Watchdog(reader.deadline, streams) as watchdog:
        try:
            with (
                reader.request() as request,
                client.stream(**request, extensions={"trace": trace}) as response,
                reader.body(response) as take,
            ):
                for chunk in response.iter_raw():
                    take(chunk)
        except (errors.GrokError, OSError):
            # Trouble with a file of this machine is the flow's: it knows which file, and why.
            raise
        except Exception as error:
            failure = reader.failure(error)
    if watchdog.expired:
        failure = reader.too_late()
    # Raised here, so that the client's exception, which may show headers, does not hang on it as its context.
    if failure:
        raise failure
    return reader.answer()


async def _asend(client: httpx.AsyncClient, endpoint: Endpoint, call: Call[Any]) -> Answer:
    import anyio

    reader, failure = ResponseReader(endpoint, call), None

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        reader.trace(event, info)

    with quiet_logs(), anyio.move_on_after(reader.deadline.left()) as scope:
        try:
            with reader.request() as request:
                async with client.stream(**request, extensions={"trace": trace}) as response:
                    with reader.body(response) as take:
                        async for chunk in response.aiter_raw():
                            take(chunk)
                            scope.deadline = anyio.current_time() + reader.deadline.left()
        except (errors.GrokError, OSError):
            raise
        except Exception as error:
            failure = reader.failure(error)
    if scope.cancelled_caught:
        failure = reader.too_late()
    if failure:
        raise failure
    return reader.answer()


def prepare(*documents: type[ApiModel]) -> None:
    """Do beforehand, in a thread, what would stop an event loop at its first call for tens of milliseconds.

    :param documents: models of answers that will be read.
    """
    clients.tls()
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
    here = _shared.setdefault(asyncio.get_running_loop(), {})
    if endpoint not in here:
        here[endpoint] = SharedClient(clients.async_client(endpoint), asyncio.Semaphore(endpoint.max_in_flight))
    shared = here[endpoint]
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users:
            del here[endpoint]
            await shared.client.aclose()
