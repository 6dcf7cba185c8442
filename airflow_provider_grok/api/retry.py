"""The retry rule, and the steps of a flow under it: generators that need no network and no clock."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

from airflow_provider_grok.api import errors, kinds
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call, Sleep, Step, Work
from airflow_provider_grok.api.endpoint import Endpoint

T = TypeVar("T")

#: The longest `Retry-After`, in seconds, that is waited for in place; a longer one is left to Airflow's retry.
LONGEST_WAIT = 60.0


class Outcome:
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
    outcome = Outcome()
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
