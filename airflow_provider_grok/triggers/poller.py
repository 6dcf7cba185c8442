"""One poller per event loop and connection: all waits in due order, few requests in flight, one shared client.

Many waits for batches are answered by listing batches, and waits for files of unknown id by listing files: one request
tells of a hundred (`lists`). Everything else is asked for one by one.

A poller belongs to no trigger. Its task starts in an empty context, or its log lines would go to the log of the first
trigger that came along; it ends by itself when nothing is left to wait for.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

from airflow_provider_grok.api import errors, jobs, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.triggers import lists
from airflow_provider_grok.triggers.due_queue import DueQueue
from airflow_provider_grok.triggers.waits import Wait, WaitEvent

__all__ = ["Poller", "Wait", "WaitEvent"]

log = logging.getLogger(__name__)

#: After so many waits the loop gets a turn: it has others to serve.
SLICE = 200
#: Seconds between two looks at the connection: an edited one is picked up within this time.
REFRESH = 60.0
#: A connection that cannot be used is fetched again after so many seconds, and believed to be so at the third time:
#: Airflow says "not found" also where its API server was away for a moment.
REFRESH_AGAIN, REFRESHES = 10.0, 3


class Poller:
    """Poll many jobs of one connection, each when it is due.

    :param endpoint: where and as whom.
    :param clock: the time to live by.
    :param refresh: fetches the endpoint anew; None: it does not change. A `GrokError` of it ends all waits, anything
        else is logged, and tried again later.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        clock: wire.Clock = wire.REAL_CLOCK,
        refresh: Callable[[], Awaitable[Endpoint]] | None = None,
    ) -> None:
        self.endpoint, self.clock, self.refresh = endpoint, clock, refresh
        self.waits: dict[Wait, None] = {}
        self.singles = DueQueue()
        self.lists: tuple[lists.Lists, ...] = (lists.BatchLists(self), lists.FileLists(self))
        self.batch_lists, self.file_lists = self.lists
        self.busy = 0
        self.quiet_until = 0.0
        self.refresh_at, self.refreshes_failed = math.inf, 0
        self.sleeps_until = -math.inf
        self.changed = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None
        #: Called when nothing is left to wait for.
        self.on_idle: Callable[[Poller], None] = lambda poller: None

    async def watch(self, wait: Wait) -> WaitEvent:
        """Wait until a job has ended, one way or another, and tell how.

        :param wait: the job and how long to wait.
        """
        self.waits[wait] = None
        now = self.clock.now()
        for listing in self.lists:
            listing.add(wait)
        self.schedule(wait, now)
        if self.task is None or self.task.done():
            self.refresh_at = now + REFRESH if self.refresh else math.inf
            self.task = contextvars.Context().run(asyncio.ensure_future, self._work())
        try:
            return await wait.result()
        finally:
            # Also where the waiter was cancelled: nobody polls for it any more.
            wait.end(WaitEvent("error", "cancelled"))
            del self.waits[wait]
            for listing in self.lists:
                listing.remove(wait)
            if not self.waits:
                self.changed.set()

    def move_to(self, endpoint: Endpoint) -> None:
        """Poll elsewhere, or as somebody else: the connection was edited.

        :param endpoint: where and as whom from now on.
        """
        self.endpoint = endpoint
        self.changed.set()

    def schedule(self, wait: Wait, due: float) -> None:
        """Poll for a wait again, unless it is over.

        :param wait: the wait.
        :param due: unix seconds.
        """
        if wait.over:
            return
        queue = next((one.queue for one in self.lists if one.takes(wait)), self.singles)
        queue.push(wait, due)
        if due < self.sleeps_until:
            self.changed.set()

    def on_status(self, wait: Wait, progress: jobs.Progress, now: float) -> None:
        """Take in an answer for one wait.

        :param wait: the wait.
        :param progress: the answer.
        :param now: unix seconds.
        """
        decision = wait.on_status(progress, now)
        wait.pause = decision.at - now
        self.schedule(wait, decision.at)

    def on_error(self, wait: Wait, error: errors.GrokError, now: float) -> None:
        """Take in a failed poll for one wait.

        :param wait: the wait.
        :param error: what it failed with.
        :param now: unix seconds.
        """
        decision = wait.on_error(error, now)
        self.quiet_until = max(self.quiet_until, decision.rest_until)
        wait.pause = decision.at - now
        self.schedule(wait, decision.at)

    async def in_slices(self, waits: Iterable[Wait]) -> AsyncIterator[Wait]:
        """Go through many waits, and let the loop have its turn in between.

        :param waits: the waits.
        """
        for number, wait in enumerate(list(waits), 1):
            yield wait
            if not number % SLICE:
                await asyncio.sleep(0)

    # -- the poller's own task -------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            # Again after leaving the client: whoever came while it was being closed found this task still alive.
            while self.waits:
                endpoint = self.endpoint
                async with wire.shared_client(endpoint):
                    await self._work_off(endpoint)
        except Exception as error:
            log.exception("The poller of %s died.", self.endpoint.base_url)
            # Nobody else would tell them, and they would wait for ever.
            await self._end_all(f"The poller died: {type(error).__name__}: {error}", error)
        finally:
            self._tell_rest()
            # An idle poller is forgotten: it knows its loop, and would keep it alive for ever.
            self.on_idle(self)

    async def _work_off(self, endpoint: Endpoint) -> None:
        while self.waits and endpoint == self.endpoint:
            self.changed.clear()
            if self.clock.now() >= self.refresh_at:
                self.refresh_at = self.clock.now() + REFRESH
                self._hold(asyncio.ensure_future(self._refresh()))
            await self._put_off()
            self._start_due()
            await self._pause()

    def _start_due(self) -> None:
        """Send what is due, while there is room for it."""
        now = self.clock.now()
        if now < self.quiet_until:
            return
        for listing in self.lists:
            if not listing.busy and self.busy < self.endpoint.max_in_flight and listing.queue.first_due() <= now:
                listing.busy = True
                self._send(self._list(listing))
        while self.busy < self.endpoint.max_in_flight and self.singles.first_due() <= now:
            self._send(self._poll(self.singles.pop()))

    def _send(self, request: Coroutine[Any, Any, None]) -> None:
        self.busy += 1
        task = asyncio.ensure_future(request)
        self._hold(task)
        task.add_done_callback(self._sent)

    def _hold(self, task: asyncio.Task[None]) -> None:
        # The loop itself holds tasks weakly.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _sent(self, task: asyncio.Task[None]) -> None:
        """A request has come back: the next one that is due takes its place."""
        self.busy -= 1
        if not task.cancelled() and (error := task.exception()):
            log.error("A request of the poller of %s died.", self.endpoint.base_url, exc_info=error)
        self._start_due()
        if not self.waits or self._next_due() < self.sleeps_until:
            self.changed.set()

    def _next_due(self) -> float:
        """When there will be something to do, as far as that is known; infinite: when a request comes back."""
        due = math.inf
        if self.busy < self.endpoint.max_in_flight:
            queues = (self.singles, *(one.queue for one in self.lists if not one.busy))
            due = min(queue.first_due() for queue in queues)
        # To look at the connection alone nobody is woken who only waits for a request to come back.
        return due if due == math.inf else min(due, self.refresh_at)

    async def _pause(self) -> None:
        """Sleep until the next wait is due, or something changes."""
        self.sleeps_until = self._next_due()
        try:
            if self.sleeps_until == math.inf:
                if self.waits:
                    await self.changed.wait()
                return
            rest = max(self.sleeps_until - self.clock.now(), 0.0)
            sleeper = asyncio.ensure_future(self.clock.asleep(rest))
            waker = asyncio.ensure_future(self.changed.wait())
            try:
                await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleeper.cancel()
                waker.cancel()
        finally:
            self.sleeps_until = -math.inf

    async def _put_off(self) -> None:
        """While the server wants to be left alone, what is due waits until then, or is given up at its deadline."""
        now = self.clock.now()
        if now >= self.quiet_until:
            return
        moved = 0
        for queue in (self.singles, *(one.queue for one in self.lists)):
            while queue.first_due() <= now:
                wait = queue.pop()
                end = math.inf if wait.state.deadline is None else wait.state.deadline
                if end <= now:
                    wait.on_deadline(now)
                else:
                    self.schedule(wait, min(self.quiet_until, end))
                moved += 1
                if not moved % SLICE:
                    await asyncio.sleep(0)

    # -- requests --------------------------------------------------------------------------------------------

    async def _poll(self, wait: Wait) -> None:
        try:
            # One try: a lost poll is made good by the next one, in its turn.
            once = dataclasses.replace(jobs.poll(wait.job), attempts=1)
            progress = await wire.arun(self.endpoint, once, clock=self.clock)
            wait.alone = False
            self.on_status(wait, progress, self.clock.now())
        except errors.GrokError as error:
            wait.alone = False
            self.on_error(wait, error, self.clock.now())
        except Exception as error:
            # Nobody else would hear of it, and the wait would never end.
            trouble = errors.GrokError(f"Polling {wait.job.kind} job {wait.job.id} failed: {type(error).__name__}.")
            trouble.__cause__ = error
            wait.end(WaitEvent("error", str(trouble), trouble))

    async def _list(self, listing: lists.Lists) -> None:
        try:
            await listing.run()
        finally:
            listing.busy = False

    # -- the connection --------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        """Fetch the connection anew: it may have been edited, or deleted."""
        if self.refresh is None:
            return
        try:
            self.move_to(await self.refresh())
            self.refreshes_failed = 0
        except errors.GrokError as error:
            self.refreshes_failed += 1
            if self.refreshes_failed >= REFRESHES:
                await self._end_all(str(error), error)
            else:
                self.refresh_at = self.clock.now() + REFRESH_AGAIN
                self.changed.set()
        except Exception as error:
            self.refreshes_failed = 0
            log.warning("The connection could not be fetched (%s); going on with what is known.", type(error).__name__)

    async def _end_all(self, text: str, cause: Exception) -> None:
        error = cause if isinstance(cause, errors.GrokError) else errors.GrokError(text)
        error.__cause__ = None if error is cause else cause
        async for wait in self.in_slices(self.waits):
            wait.end(WaitEvent("error", text, error))

    def _tell_rest(self) -> None:
        """Whatever ended the poller, a cancelled loop too: nobody waits for it for ever."""
        for wait in self.waits:
            wait.end(WaitEvent("error", "The poller has ended."))
