"""What the poller works on: one job that somebody waits for, and what they are told of it."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Literal

from airflow_provider_grok.api import errors, jobs


@dataclass(frozen=True)
class WaitEvent:
    """Something about a job that its waiter should know.

    :param what: note (it goes on), ended, more (results that are new), timeout, gone (unknown to the server) or error.
    :param text: words for the log.
    :param error: what a failed wait failed with.
    """

    what: Literal["note", "ended", "more", "timeout", "gone", "error"]
    text: str = ""
    error: errors.GrokError | None = None


@dataclass(eq=False)
class Wait:
    """One job that somebody waits for.

    :param job: the job.
    :param deadline: unix seconds after which to give up; None: never.
    :param poll_interval: seconds between two looks; None: by the job's age.
    :param seen: for a batch, how many ended requests the waiter knows; more of them are news. None: only the end is.
    :param wake_after: unix seconds before which more of them are no news yet.
    :param due: unix seconds of the next look; infinite while one is under way.
    :param pause: seconds between the last look and the next.
    :param alone: whether the next look asks for this job alone, for the list of batches did not show it.
    """

    job: jobs.Job
    deadline: float | None = None
    poll_interval: float | None = None
    seen: int | None = None
    wake_after: float = 0.0
    news: asyncio.Queue[WaitEvent] = field(default_factory=asyncio.Queue)
    patience: jobs.ErrorBudget = field(default_factory=jobs.ErrorBudget)
    note: str = ""
    over: bool = False
    due: float = math.inf
    pause: float = 0.0
    alone: bool = False

    def hear(self, progress: jobs.Progress, now: float) -> None:
        """Take in a look that came back."""
        words = jobs.words(progress, now - self.job.submitted_at)
        if self.patience.record_success(progress):
            self.end(WaitEvent("ended", words))
        elif self.seen is not None and progress.result.state.ended > self.seen and now >= self.wake_after:
            self.end(WaitEvent("more", words))
        elif progress.note != self.note:
            self.note = progress.note
            self.news.put_nowait(WaitEvent("note", words))

    def suffer(self, error: errors.GrokError) -> float | None:
        """Take in a look that failed; the answer is how long the server wants to be left alone."""
        try:
            rest = self.patience.record_error(error)
        except errors.NotFound as gone:
            self.end(WaitEvent("gone", str(gone), gone))
        except errors.GrokError as final:
            self.end(WaitEvent("error", str(final), final))
        else:
            self.news.put_nowait(WaitEvent("note", f"look {self.patience.lost} of {jobs.LOST_POLLS} lost: {error}"))
            return rest
        return None

    def end(self, news: WaitEvent) -> None:
        """Tell the last news."""
        self.over = True
        self.news.put_nowait(news)
