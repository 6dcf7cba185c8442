"""The one trigger for every kind of job: it carries ids and a deadline, and yields one event at the job's end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_grok.api import errors, wire
from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.api.kinds import KINDS, Kind
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.triggers.poller import Poller
from airflow_provider_grok.triggers.registry import poller_of
from airflow_provider_grok.triggers.waits import Wait, WaitEvent

log = logging.getLogger(__name__)

#: Seconds before the first poll. Airflow fails a task whose trigger fires while the scheduler still sees it running.
INITIAL_DELAY = 6.0

_killing: set[asyncio.Task[None]] = set()


class GrokJobTrigger(BaseTrigger):
    """Wait for a job without a worker or, after a lost answer, for the files that bear its idempotency key.

    :param kind: image, video or batch.
    :param job_id: the server's id of the job; empty where the answer that would have told it was lost: then stored
        files are listed until `count` of them bear `key` in their names.
    :param submitted_at: unix seconds of its submission.
    :param deadline: unix seconds after which to give up: wall clock, so that a restarted triggerer keeps to it. None:
        never; without a job id the usual timeout of the kind.
    :param grok_conn_id: the Airflow connection.
    :param poll_interval: seconds between two polls; None: by the job's age.
    :param name: name under which the result is stored, for messages.
    :param initial_delay: seconds before the first poll.
    :param seen: for a batch, how many ended requests the task knows; more of them end the wait. None: only its end.
    :param wake_after: unix seconds before which more of them do not end the wait yet.
    :param cancel_on_kill: cancel the batch when a person ends the task for good.
    :param key: the idempotency key, in hex digits.
    :param count: how many files are to bear it.
    :param parts: for a batch whose rows lie in several: those that are still waited for, and how many ended requests of
        each the task knows, as `seen` says it of one.
    :param others: arguments of other versions, which a trigger that outlived an upgrade may carry: `first_look` is
        what `initial_delay` was called in 0.1.0; the rest is ignored.
    """

    def __init__(
        self,
        *,
        kind: Kind,
        job_id: str,
        submitted_at: float,
        deadline: float | None = None,
        grok_conn_id: str = "grok_default",
        poll_interval: float | None = None,
        name: str = "",
        initial_delay: float | None = None,
        seen: int | None = None,
        wake_after: float = 0.0,
        cancel_on_kill: bool = False,
        key: str = "",
        count: int = 1,
        parts: dict[str, int | None] | None = None,
        **others: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job = Job(kind, job_id, submitted_at)
        self.deadline, self.poll_interval = deadline, poll_interval
        self.grok_conn_id, self.name = grok_conn_id, name
        self.initial_delay: float = others.get("first_look", INITIAL_DELAY) if initial_delay is None else initial_delay
        self.seen, self.wake_after, self.cancel_on_kill = seen, wake_after, cancel_on_kill
        self.key, self.count, self.parts = key, count, parts

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids and numbers only: never a key of the API, a prompt or a link."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "kind": self.job.kind,
            "job_id": self.job.id,
            "submitted_at": self.job.submitted_at,
            "deadline": self.deadline,
            "grok_conn_id": self.grok_conn_id,
            "poll_interval": self.poll_interval,
            "name": self.name,
            "initial_delay": self.initial_delay,
            "seen": self.seen,
            "wake_after": self.wake_after,
            "cancel_on_kill": self.cancel_on_kill,
            "key": self.key,
            "count": self.count,
            **({"parts": self.parts} if self.parts else {}),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: `{"status", "kind", "job_id", "key", "message"}`.

        `status` is ended, more, timeout, gone or error; of a wait for files found, timeout or error.
        """
        try:
            event = await self._watch()
        except errors.GrokError as error:
            event = WaitEvent("error", str(error), error)
        except Exception as error:
            log.exception("Waiting for %s failed.", self._what)
            event = WaitEvent("error", f"Waiting for {self._what} failed: {type(error).__name__}.")
        if event.error:
            log.error("Waiting for %s ended: %s", self._what, event.text, exc_info=event.error)
        yield TriggerEvent(  # type: ignore[no-untyped-call]
            {
                "status": event.what,
                "kind": self.job.kind,
                "job_id": self.job.id,
                "key": self.key,
                "message": event.text or None,
            }
        )

    @property
    def _what(self) -> str:
        return f"{self.job.kind} job {self.job.id}" if self.job.id else f"{self.job.kind} files of key {self.key}"

    async def _watch(self) -> WaitEvent:
        await wire.REAL_CLOCK.asleep(self.initial_delay)
        # The connection is fetched here, and not by the poller's task, whose context is empty.
        poller = await poller_of(self.grok_conn_id)
        return await (self._watch_parts(poller) if self.parts else poller.watch(self._wait()))

    async def _watch_parts(self, poller: Poller) -> WaitEvent:
        """Wait for several batches: until one has new results or, where nobody keeps results, until all have ended."""
        running = {asyncio.create_task(poller.watch(wait)) for wait in self._waits()}
        try:
            while True:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for event in (task.result() for task in done):
                    # Of a batch that has ended, somebody who keeps results has to take the last ones now.
                    if event.what != "ended" or self.keeps_results or not running:
                        return event
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @property
    def keeps_results(self) -> bool:
        """Whether the task takes results while its batches run."""
        return any(seen is not None for seen in (self.parts or {}).values())

    def _waits(self) -> list[Wait]:
        return [
            Wait(
                Job("batch", batch_id, self.job.submitted_at),
                self.deadline,
                self.poll_interval,
                seen,
                self.wake_after,
                report=partial(log.info, "batch job %s: %s", batch_id),
            )
            for batch_id, seen in (self.parts or {}).items()
        ]

    def _wait(self) -> Wait:
        deadline = self.deadline
        if not self.job.id:
            if not self.key:
                raise errors.InvalidRequest("A trigger needs a job_id or a key to wait for.")
            if deadline is None:
                deadline = self.job.submitted_at + KINDS[self.job.kind].timeout
        return Wait(
            self.job,
            deadline,
            self.poll_interval,
            self.seen,
            self.wake_after,
            key=self.key,
            count=self.count,
            report=self._report,
        )

    def _report(self, text: str) -> None:
        log.info("%s: %s", self._what, text)

    async def on_kill(self) -> None:
        """Cancel a batch whose task is over; of pictures and videos, which cannot be cancelled, say what goes on."""
        if self.job.kind == "batch" and not (self.cancel_on_kill and self.job.id):
            return
        # Airflow cancels on_kill itself after a second: the work is a task of its own, held by a strong reference.
        work = asyncio.create_task(self._let_go())
        _killing.add(work)
        work.add_done_callback(_killing.discard)
        await asyncio.shield(work)

    async def _let_go(self) -> None:
        from airflow_provider_grok.flows.batches.cancel import acancel_if_over, report_uncancellable
        from airflow_provider_grok.hooks.task import task_state

        ti = self.task_instance
        if self.job.kind == "batch":
            await acancel_if_over(GrokHook(self.grok_conn_id), ti, self.job.id, log, state_of=task_state)
        else:
            job = self.job if self.job.id else Job(self.job.kind, "(id unknown)", self.job.submitted_at)
            await report_uncancellable(ti, job, self.name or "named by its task", log, state_of=task_state)
