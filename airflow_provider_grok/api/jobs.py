"""A running job of any kind: what it is, how often to look at it, and how to wait for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import Call, Flow, Now, Sleep
from airflow_provider_grok.api.kinds import KINDS, Kind

#: How many looks in a row may fail before the failure is the waiter's.
LOST_POLLS = 8
#: How many looks in a row must tell the same odd story (an error body instead of a status) before it is believed.
ODD_POLLS = 3
#: The longest rest between two looks that a server's Retry-After is given, in seconds: a job may end in the meantime.
LONGEST_REST = 300.0


@dataclass(frozen=True)
class Job:
    """A job that xAI was given.

    :param kind: image, video or batch.
    :param id: the server's id (`request_id` or `batch_id`).
    :param submitted_at: unix seconds of the submission.
    """

    kind: Kind
    id: str
    submitted_at: float


@dataclass(frozen=True)
class Progress:
    """What one look at a job showed.

    :param state: pending, done or failed.
    :param result: what a finished job made, as its own kind's model.
    :param failure: why a failed job failed.
    :param note: how far it is, for a log line.
    :param odd: the answer was no regular status, so a single one is not believed.
    :param done: which share of it is done, 0 to 1, where that is known.
    """

    state: Literal["pending", "done", "failed"]
    result: Any = None
    failure: errors.JobFailed | None = None
    note: str = ""
    odd: bool = False
    done: float | None = None


def words(progress: Progress, age: float) -> str:
    """Say how far a job is and how long it may still take, e.g. "412 of 500 done, 3 failed, about 6 min left".

    :param progress: a look at it.
    :param age: seconds since its submission.
    """
    if not progress.done or progress.done >= 1 or age <= 0 or progress.state != "pending":
        return progress.note
    left = age / progress.done - age
    return (
        f"{progress.note}, about {left:.0f} s left" if left < 90 else f"{progress.note}, about {left / 60:.0f} min left"
    )


def poll(job: Job) -> Call[Progress]:
    """Ask once how a job is.

    :param job: the job.
    """
    from airflow_provider_grok.api import batches, images, videos

    ask: dict[str, Callable[[str], Call[Progress]]] = {
        "image": images.poll,
        "video": videos.poll,
        "batch": batches.poll,
    }
    return ask[job.kind](job.id)


def pause(kind: Kind, age: float, poll_interval: float | None = None) -> float:
    """How long to wait before the next look: a twentieth of the job's age, within its kind's bounds, with jitter.

    :param kind: image, video or batch.
    :param age: seconds since the submission.
    :param poll_interval: a fixed time in seconds instead.
    """
    facts = KINDS[kind]
    by_age = min(max(age * 0.05, facts.shortest_interval), facts.longest_interval)
    interval = by_age if poll_interval is None else poll_interval
    return interval * random.uniform(0.9, 1.1)  # noqa: S311 - spreads polls, keeps no secret


@dataclass(frozen=True)
class Accepted:
    """How the server took a paid request: as a job to look at, or answered at once.

    :param kind: image, video or batch.
    :param job_id: the server's id of the job; None where the answer was the result.
    :param finished: the end, where the answer was the result.
    """

    kind: Kind
    job_id: str | None = None
    finished: Progress | None = None


@dataclass
class ErrorBudget:
    """Decides over a series of looks which to believe and which failures to bear."""

    lost: int = 0
    odd: int = 0

    def record_error(self, error: errors.GrokError) -> float | None:
        """Count a failed look; the answer is how long the server wants to be left alone, if it said so.

        :raises GrokError: the same error, when it is permanent or one too many.
        """
        self.lost += 1
        if not error.transient or self.lost > LOST_POLLS:
            raise error
        rest = error.retry_after if isinstance(error, errors.ApiError) else None
        return None if rest is None else min(rest, LONGEST_REST)

    def record_success(self, progress: Progress) -> bool:
        """Count a look that came back; whether it is to be taken as the job's end."""
        self.lost = 0
        self.odd = self.odd + 1 if progress.odd else 0
        return progress.state != "pending" and (not progress.odd or self.odd >= ODD_POLLS)


def wait(
    job: Job,
    *,
    deadline: float | None = None,
    poll_interval: float | None = None,
    report: Callable[[str], None] | None = None,
    name: str = "",
) -> Flow[Progress]:
    """Look at a job until it has ended.

    :param job: the job.
    :param deadline: unix seconds after which to give up; the job is looked at once more before.
    :param poll_interval: seconds between two looks; None: by the job's age.
    :param report: told of every change of the job's note.
    :param name: name under which the result is stored, for the error.
    :raises JobTimeout: when the deadline has passed.
    :raises GrokError: when nine looks in a row failed, or one failed for good.
    """
    patience, note = ErrorBudget(), ""
    while True:
        rest: float | None = None
        try:
            progress = yield from poll(job)
            if patience.record_success(progress):
                return replace(progress, odd=False)
            # An empty answer is no news, and does not make the last one old.
            news, note = progress.note not in ("", note), progress.note or note
        except errors.GrokError as error:
            rest, news = patience.record_error(error), False
        now = yield from _now()
        if report and news:
            report(words(progress, now - job.submitted_at))
        if deadline is not None and now >= deadline:
            raise timeout_error(job, now, name, note)
        interval = max(pause(job.kind, now - job.submitted_at, poll_interval), rest or 0.0)
        yield Sleep(interval if deadline is None else min(interval, deadline - now))


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
