"""The one trigger for every kind of job: it carries ids and a deadline, and yields one event at the job's end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_grok.api import errors, wire
from airflow_provider_grok.api.jobs import Job
from airflow_provider_grok.api.kinds import Kind
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.triggers.poller import Wait, WaitEvent, poller_of

log = logging.getLogger(__name__)

#: Seconds before the first look. Airflow fails a task whose trigger fires while the scheduler still sees it running.
FIRST_LOOK = 6.0

_killing: set[asyncio.Task[None]] = set()


class GrokJobTrigger(BaseTrigger):
    """Wait for a job without a worker.

    :param kind: image, video or batch.
    :param job_id: the server's id of the job.
    :param submitted_at: unix seconds of its submission.
    :param deadline: unix seconds after which to give up: wall clock, so that a restarted triggerer keeps to it.
    :param grok_conn_id: the Airflow connection.
    :param poll_interval: seconds between two looks; None: by the job's age.
    :param name: name under which the result is stored, for messages.
    :param first_look: seconds before the first look.
    :param seen: for a batch, how many ended requests the task knows; more of them end the wait. None: only its end.
    :param wake_after: unix seconds before which more of them do not end the wait yet.
    :param cancel_on_kill: cancel the batch when a person ends the task for good.
    :param others: arguments of other versions, which a trigger that outlived an upgrade may carry; ignored.
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
        first_look: float = FIRST_LOOK,
        seen: int | None = None,
        wake_after: float = 0.0,
        cancel_on_kill: bool = False,
        **others: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job = Job(kind, job_id, submitted_at)
        self.deadline, self.poll_interval = deadline, poll_interval
        self.grok_conn_id, self.name, self.first_look = grok_conn_id, name, first_look
        self.seen, self.wake_after, self.cancel_on_kill = seen, wake_after, cancel_on_kill

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids and numbers only: never a key, a prompt or a link."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "kind": self.job.kind,
            "job_id": self.job.id,
            "submitted_at": self.job.submitted_at,
            "deadline": self.deadline,
            "grok_conn_id": self.grok_conn_id,
            "poll_interval": self.poll_interval,
            "name": self.name,
            "first_look": self.first_look,
            "seen": self.seen,
            "wake_after": self.wake_after,
            "cancel_on_kill": self.cancel_on_kill,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: `{"status": ended | more | timeout | gone | error, "kind", "job_id", "message"}`."""
        try:
            news = await self._last_news()
        except errors.GrokError as error:
            news = WaitEvent("error", str(error), error)
        except Exception as error:
            log.exception("Waiting for %s job %s failed.", self.job.kind, self.job.id)
            news = WaitEvent("error", f"Waiting for {self.job.kind} job {self.job.id} failed: {type(error).__name__}.")
        if news.error:
            log.error("Waiting for %s job %s ended: %s", self.job.kind, self.job.id, news.text, exc_info=news.error)
        event = {"status": news.what, "kind": self.job.kind, "job_id": self.job.id, "message": news.text or None}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _last_news(self) -> WaitEvent:
        # The first trigger of a process loads what a look needs; in a thread, for the loop has others to serve.
        await asyncio.to_thread(_prepare)
        endpoint = await GrokHook(self.grok_conn_id).aendpoint()
        await wire.REAL_CLOCK.asleep(self.first_look)
        wait = Wait(self.job, self.deadline, self.poll_interval, self.seen, self.wake_after)
        async with aclosing(poller_of(endpoint).watch(wait)) as watch:
            async for news in watch:
                if news.what != "note":
                    return news
                log.info("%s job %s: %s", self.job.kind, self.job.id, news.text)
        return WaitEvent("error", f"Nobody looks after {self.job.kind} job {self.job.id} any more.")

    async def on_kill(self) -> None:
        """Cancel a batch whose task is over; of pictures and videos, which cannot be cancelled, say what goes on."""
        if self.job.kind == "batch" and not self.cancel_on_kill:
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
            await report_uncancellable(ti, self.job, self.name or "named by its task", log, state_of=task_state)


def _prepare() -> None:
    from airflow_provider_grok.api import batches, images, videos, wire

    wire.prepare(batches.Batch, images.Images, videos.Video)
