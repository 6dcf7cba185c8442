"""What the poller works on: a job, or a file of unknown id, that somebody waits for, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from airflow_provider_grok.api import errors, jobs, polling

#: Seconds between two listings for a wait that knows only a key: what it looks for comes in minutes, or never.
LIST_INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class WaitEvent:
    """How a wait ended.

    :param what: ended, more (results that are new), found (files that bear the key), timeout, gone (unknown to the
        server until the deadline) or error.
    :param text: words for the log.
    :param error: what a failed wait failed with.
    """

    what: Literal["ended", "more", "found", "timeout", "gone", "error"]
    text: str = ""
    error: errors.GrokError | None = None


class Wait:
    """Something that somebody waits for: a job with an id or, after a lost answer, files that bear a key.

    :param job: the job; its id is empty where only the key is known.
    :param deadline: unix seconds after which to give up; None: never.
    :param poll_interval: seconds between two polls; None: by the job's age.
    :param seen: for a batch, how many ended requests the waiter knows; more of them end the wait. None: only its end.
    :param wake_after: unix seconds before which more of them do not end the wait yet.
    :param key: the idempotency key that stands in the names of the files that are waited for.
    :param count: how many such files there will be.
    :param report: told in words, in the context of the waiter, what happens on the way.
    """

    # There are tens of thousands of them.
    __slots__ = (
        "_context",
        "_result",
        "alone",
        "count",
        "due",
        "entry_due",
        "event",
        "found",
        "key",
        "listed_since",
        "pause",
        "report",
        "seen",
        "state",
        "wake_after",
    )

    def __init__(
        self,
        job: jobs.Job,
        deadline: float | None = None,
        poll_interval: float | None = None,
        seen: int | None = None,
        wake_after: float = 0.0,
        *,
        key: str = "",
        count: int = 1,
        report: Callable[[str], None] | None = None,
    ) -> None:
        if not job.id and poll_interval is None:
            poll_interval = LIST_INTERVAL
        self.state = polling.PollingState(job, deadline, poll_interval)
        self.seen, self.wake_after, self.report = seen, wake_after, report
        self.key, self.count = key.lower(), count
        self.found: set[str] | None = None
        #: Unix seconds: files made before need not be listed again.
        self.listed_since = job.submitted_at
        #: Unix seconds of the next poll, and those under which it stands in a queue; infinite while one is under way.
        self.due = self.entry_due = math.inf
        #: Seconds between the last poll and the next.
        self.pause = 0.0
        #: Whether the next poll asks for this batch alone, for the list of batches did not show it.
        self.alone = False
        self.event: WaitEvent | None = None
        self._result: asyncio.Future[WaitEvent] | None = None
        self._context = contextvars.copy_context() if report else None

    @property
    def job(self) -> jobs.Job:
        """The job."""
        return self.state.job

    @property
    def over(self) -> bool:
        """Whether it has ended, or nobody waits any more."""
        return self.event is not None

    async def result(self) -> WaitEvent:
        """How the wait ends; no more than one task may ask."""
        if self.event is None:
            self._result = asyncio.get_running_loop().create_future()
            await self._result
        if self.event is None:
            raise AssertionError("only end() resolves the future")
        return self.event

    def end(self, event: WaitEvent) -> None:
        """Tell how the wait ended; only the first time counts.

        :param event: how.
        """
        if self.event is None:
            self.event = event
            if self._result and not self._result.done():
                self._result.set_result(event)

    def on_status(self, progress: jobs.Progress, now: float) -> polling.Decision:
        """Take in a poll that was answered.

        :param progress: the answer.
        :param now: unix seconds.
        """
        note = self.state.note
        decision = self.state.on_status(progress, now)
        if decision.progress:
            self.end(WaitEvent("ended", self._words(progress, now)))
        elif self.seen is not None and progress.result.state.ended > self.seen and now >= self.wake_after:
            self.end(WaitEvent("more", self._words(progress, now)))
        elif decision.error:
            self._give_up(decision.error)
        elif self.state.note != note:
            self._report(self._words(progress, now))
        return decision

    def on_error(self, error: errors.GrokError, now: float) -> polling.Decision:
        """Take in a poll that failed.

        :param error: what it failed with.
        :param now: unix seconds.
        """
        decision = self.state.on_error(error, now)
        if decision.action == "failed":
            self.end(WaitEvent("error", str(decision.error), decision.error))
        elif decision.error:
            self._give_up(decision.error)
        elif lost := self.state.budget.lost:
            self._report(f"poll {lost} of {polling.LOST_POLLS} lost: {error}")
        else:
            self._report(f"polled again: {error}")
        return decision

    def on_deadline(self, now: float) -> None:
        """Give up without another poll.

        :param now: unix seconds.
        """
        self._give_up(polling.timeout_error(self.job, now, self.state.name, self.state.note))

    def on_file(self, file_id: str) -> None:
        """Take in a listed file that bears the key.

        :param file_id: the file.
        """
        self.found = self.found or set()
        self.found.add(file_id)
        if len(self.found) >= self.count:
            self.end(WaitEvent("found", f"{len(self.found)} of {self.count} files are stored"))

    def _give_up(self, error: errors.GrokError) -> None:
        if isinstance(error, errors.NotFound):
            self.end(WaitEvent("gone", str(error), error))
        elif self.key:
            listed = len(self.found or ())
            self.end(WaitEvent("timeout", f"{listed} of {self.count} files whose names bear {self.key} were listed"))
        else:
            self.end(WaitEvent("timeout", self.state.note))

    def _words(self, progress: jobs.Progress, now: float) -> str:
        return jobs.words(progress, now - self.job.submitted_at)

    def _report(self, text: str) -> None:
        # In the waiter's own context, or the line would go to nobody's log, or to another's.
        if self.report and self._context:
            self._context.run(self.report, text)
