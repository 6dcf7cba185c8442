"""Polling: one object decides, for every wait, what an answer means and when to ask again. It never waits itself.

| a poll showed                                   | decision                                                      |
|-------------------------------------------------|---------------------------------------------------------------|
| a job that has ended                            | done or failed                                                |
| 200 with an error body and no status            | believed after three in a row and half a minute               |
| 400 that speaks of moderation                   | failed                                                        |
| any other 400 (413, 415, 422)                   | believed after more than three in a row and half a minute     |
| 404                                             | poll again until the deadline: what was given does not vanish |
| 429                                             | poll again until the deadline, with jitter; never a lost poll |
| 5xx, no whole answer, no connection, a web page | poll again; the ninth in a row ends the wait                  |
| wrong key, missing right, anything else         | failed                                                        |

In place, in the triggerer and while results are persisted the same object is fed: `PollingState`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.api.jobs import Job, Progress, poll, words
from airflow_provider_grok.api.kinds import KINDS, Kind

#: How many polls in a row may be lost before the error is the waiter's.
LOST_POLLS = 8
#: How many polls in a row must show the same odd answer (an error body instead of a status) before it is believed.
ODD_POLLS = 3
#: A 400 on a poll ends nothing until there were more than so many in a row, over so many seconds: one client reports
#: passing ones on the first polls of a job.
PASSING_REFUSALS, PASSING_SECONDS = 3, 30.0
#: The longest that a server's Retry-After postpones polls, in seconds: a job may end in the meantime.
LONGEST_REST = 300.0
#: The longest pause after a 429 without a Retry-After, in seconds.
LONGEST_QUEUE = 30.0


def interval(kind: Kind, age: float, poll_interval: float | None = None) -> float:
    """How long to wait before the next poll: a twentieth of the job's age, within its kind's bounds, with jitter.

    :param kind: image, video or batch.
    :param age: seconds since the submission.
    :param poll_interval: a fixed time in seconds instead.
    """
    facts = KINDS[kind]
    by_age = min(max(age * 0.05, facts.shortest_interval), facts.longest_interval)
    return (by_age if poll_interval is None else poll_interval) * _jitter()


def _jitter() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 - spreads polls, keeps no secret


@dataclass(slots=True)
class ErrorBudget:
    """Count what polls in a row came to: which answers to believe, and which errors to tolerate.

    :param lost: lost polls in a row.
    :param odd: answers in a row that were no regular status.
    :param refused: refusals (400) in a row.
    :param refused_since: unix seconds of the first of them.
    :param limited: answers 429 in a row.
    """

    lost: int = 0
    odd: int = 0
    refused: int = 0
    refused_since: float = 0.0
    limited: int = 0

    def record_error(self, error: errors.GrokError) -> float | None:
        """Count a poll that failed; the answer is how long the server wants to be left alone, if it said so.

        :param error: what it failed with.
        :raises GrokError: the same error, when it is permanent or one too many.
        """
        self.lost += 1
        if not error.transient or self.lost > LOST_POLLS:
            raise error
        return rest_of(error)

    def record_success(self, progress: Progress) -> bool:
        """Count a poll that was answered; whether the answer is to be taken as the job's end.

        :param progress: the answer.
        """
        self.lost = self.limited = 0
        self.odd = self.odd + 1 if progress.odd else 0
        return progress.state != "pending" and (not progress.odd or self.odd >= ODD_POLLS)

    def record_refusal(self, now: float, deadline: float | None) -> bool:
        """Count a poll that was refused as an invalid request; whether that is to be believed.

        :param now: unix seconds.
        :param deadline: unix seconds after which nobody waits: what was seen often enough by then is believed.
        """
        self.refused_since = self.refused_since if self.refused else now
        self.refused += 1
        self.lost = self.limited = 0
        long_enough = now - self.refused_since >= PASSING_SECONDS or (deadline is not None and now >= deadline)
        return self.refused > PASSING_REFUSALS and long_enough

    def record_limit(self) -> float:
        """Count a 429: a queue, and no lost poll; seconds to wait if it named none: 1, doubling, with jitter."""
        self.lost = 0
        self.limited += 1
        return min(LONGEST_QUEUE, 2.0 ** min(self.limited - 1, 10)) * _jitter()


def rest_of(error: errors.GrokError) -> float | None:
    """How long a server wants to be left alone, in seconds and within bounds; None where it did not say.

    :param error: what it answered.
    """
    rest = error.retry_after if isinstance(error, errors.ApiError) else None
    # A time that is no number at all compares with nothing.
    return min(rest, LONGEST_REST) if rest is not None and rest > 0 else None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a poll.

    :param action: `poll` again, or the wait is over: `done`, `failed`, or `give_up` at its deadline.
    :param at: unix seconds of the next poll.
    :param progress: how the job ended, where it has ended.
    :param error: why the wait failed or was given up, where the job has not ended.
    :param rest_until: unix seconds until which the server wants no more polls of this connection; 0: it did not say.
    """

    action: Literal["poll", "done", "failed", "give_up"]
    at: float = 0.0
    progress: Progress | None = None
    error: errors.GrokError | None = None
    rest_until: float = 0.0


class PollingState:
    """Decide over the polls of one job: feed it every answer or error with the time, and do what it says.

    :param job: the job; one that was submitted, or seen before: a 404 does not end the wait for it.
    :param deadline: unix seconds after which to give up; None: never. A 404 without it: the usual timeout of its kind.
    :param poll_interval: seconds between two polls; None: by the job's age.
    :param name: name under which the result is stored, for the error.
    """

    __slots__ = ("budget", "deadline", "job", "name", "note", "odd_since", "poll_interval")

    def __init__(
        self, job: Job, deadline: float | None = None, poll_interval: float | None = None, name: str = ""
    ) -> None:
        self.job, self.deadline, self.poll_interval, self.name = job, deadline, poll_interval, name
        self.budget = ErrorBudget()
        self.note = ""
        self.odd_since = 0.0

    def on_status(self, progress: Progress, now: float) -> Decision:
        """Take in a poll that was answered.

        :param progress: the answer.
        :param now: unix seconds.
        """
        if progress.refused and not isinstance(progress.failure, errors.JobModerated):
            believed = self.budget.record_refusal(now, self.deadline)
            self.budget.odd += 1
        else:
            believed = self.budget.record_success(progress) or progress.refused
            self.budget.refused = 0
            if progress.odd and not isinstance(progress.failure, errors.JobModerated):
                self.odd_since = now if self.budget.odd == 1 else self.odd_since
                believed = believed and now - self.odd_since >= PASSING_SECONDS
        if believed and progress.odd and progress.failure and not isinstance(progress.failure, errors.JobModerated):
            # It is no regular end: what the job made may be stored all the same.
            progress.failure.outcome_unknown = not progress.refused
        if believed:
            return Decision("failed" if progress.failure else "done", now, replace(progress, odd=False))
        # An empty answer is no news, and does not make the last one old.
        self.note = progress.note or self.note
        return self._again(now)

    def on_error(self, error: errors.GrokError, now: float) -> Decision:
        """Take in a poll that failed.

        :param error: what it failed with.
        :param now: unix seconds.
        """
        rest, queue = None, 0.0
        self.budget.odd = 0
        if isinstance(error, errors.RateLimited):
            rest, queue = rest_of(error), self.budget.record_limit()
        elif isinstance(error, errors.NotFound):
            self.budget.lost = self.budget.limited = 0
            end = self.job.submitted_at + KINDS[self.job.kind].timeout if self.deadline is None else self.deadline
            if now >= end:
                return Decision("give_up", now, error=error)
        elif isinstance(error, errors.InvalidArgument):
            if self.budget.record_refusal(now, self.deadline):
                return Decision("failed", now, error=error)
        else:
            try:
                rest = self.budget.record_error(error)
            except errors.GrokError as final:
                return Decision("failed", now, error=final)
        return self._again(now, rest, queue)

    def _again(self, now: float, rest: float | None = None, queue: float = 0.0) -> Decision:
        if self.deadline is not None and now >= self.deadline:
            return Decision("give_up", now, error=timeout_error(self.job, now, self.name, self.note))
        pause = interval(self.job.kind, now - self.job.submitted_at, self.poll_interval)
        at = now + max(pause, queue if rest is None else rest)
        if self.deadline is not None:
            at = min(at, self.deadline)
        return Decision("poll", at, rest_until=now + rest if rest else 0.0)


def wait(
    job: Job,
    *,
    deadline: float | None = None,
    poll_interval: float | None = None,
    report: Callable[[str], None] | None = None,
    name: str = "",
) -> Flow[Progress]:
    """Poll a job until it has ended.

    :param job: the job; one that was submitted, or seen before.
    :param deadline: unix seconds after which to give up; the job is polled once more before.
    :param poll_interval: seconds between two polls; None: by the job's age.
    :param report: told of every change of the job's note.
    :param name: name under which the result is stored, for the error.
    :raises JobTimeout: when the deadline has passed.
    :raises NotFound: when the server still does not know the job at the deadline.
    :raises GrokError: when nine polls in a row were lost, or one failed for good.
    """
    state = PollingState(job, deadline, poll_interval, name)
    while True:
        note, progress = state.note, None
        try:
            progress = yield from poll(job)
        except errors.GrokError as error:
            now = yield from _now()
            decision = state.on_error(error, now)
        else:
            now = yield from _now()
            decision = state.on_status(progress, now)
        if decision.progress:
            return decision.progress
        if report and progress and state.note != note:
            report(words(progress, now - job.submitted_at))
        if decision.error:
            raise decision.error
        yield Sleep(max(0.0, decision.at - now))


def rest_until(at: float) -> Flow[None]:
    """Wait until a moment that a decision named.

    :param at: unix seconds.
    """
    now = yield from _now()
    yield Sleep(max(0.0, at - now))


def timeout_error(job: Job, now: float, name: str = "", note: str = "") -> errors.JobTimeout:
    """Say that a job was given up on, and what will become of it.

    :param job: the job.
    :param now: unix seconds.
    :param name: name under which its result is stored.
    :param note: its last known state.
    """
    where = f"as {name}" if name else "under its task's name"
    return errors.JobTimeout(
        f"{job.kind} job {job.id} was not finished {now - job.submitted_at:.0f} s after its submission"
        f"{f' (last seen: {note})' if note else ''}. It goes on and will be billed; its result will be stored in xAI "
        f"Files {where}, and another try of this task adopts it. A longer `timeout` waits longer."
    )


def _now() -> Flow[float]:
    value: float = yield Now()
    return value
