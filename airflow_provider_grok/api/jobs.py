"""A running job of any kind as values: what it is, how far it is, and the call that asks; `polling` decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.kinds import Kind


@dataclass(frozen=True, slots=True)
class Job:
    """A job that xAI was given.

    :param kind: image, video or batch.
    :param id: the server's id (`request_id` or `batch_id`).
    :param submitted_at: unix seconds of the submission.
    """

    kind: Kind
    id: str
    submitted_at: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What one poll of a job showed.

    :param state: pending, done or failed.
    :param result: what a finished job made, as its own kind's model.
    :param failure: why a failed job failed.
    :param note: how far it is, for a log line.
    :param odd: the answer was no regular status, so a single one is not believed.
    :param refused: the poll was answered with a 400, which may pass.
    :param done: which share of it is done, 0 to 1, where that is known.
    """

    state: Literal["pending", "done", "failed"]
    result: Any = None
    failure: errors.JobFailed | None = None
    note: str = ""
    odd: bool = False
    refused: bool = False
    done: float | None = None


def words(progress: Progress, age: float) -> str:
    """Say how far a job is and how long it may still take, e.g. "412 of 500 done, 3 failed, about 6 min left".

    :param progress: what a poll showed.
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


@dataclass(frozen=True)
class Accepted:
    """How the server took a paid request: as a job to poll, or answered at once.

    :param kind: image, video or batch.
    :param job_id: the server's id of the job; None where the answer was the result.
    :param finished: the end, where the answer was the result.
    """

    kind: Kind
    job_id: str | None = None
    finished: Progress | None = None
