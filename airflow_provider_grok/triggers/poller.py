"""One poller per event loop and endpoint: all waits in due order, few requests in flight, one shared client.

Many waits for batches are answered by listing batches, a page at a time, instead of asking for each: a page tells of a
hundred, so whoever is due soon is asked along with whoever is due now.

A poller belongs to no trigger. Its task starts in an empty context, or its log lines would go to the log of the first
trigger that came along; it ends by itself when nothing is left to wait for.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import heapq
import itertools
import math
from collections.abc import AsyncGenerator
from weakref import WeakKeyDictionary

from airflow_provider_grok.api import batch_pages, errors, jobs, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.triggers.waits import Wait, WaitEvent

__all__ = ["Poller", "Wait", "WaitEvent", "poller_of"]

#: How many batches that are due make a list cheaper than asking for each.
MANY = 3
#: A batch is due soon when this share of its usual pause, or less, is left.
SOON = 0.25
#: How many pages more than finds are read before the rest is asked for one by one.
ROPE = 3


class Poller:
    """Look at many jobs of one endpoint, each when it is due.

    :param endpoint: where and as whom.
    :param clock: the time to live by.
    """

    def __init__(self, endpoint: Endpoint, clock: wire.Clock = wire.REAL_CLOCK) -> None:
        self.endpoint, self.clock = endpoint, clock
        self.queue: list[tuple[float, int, Wait]] = []
        self.numbers = itertools.count()
        self.busy = 0
        self.quiet_until = 0.0
        self.batches: dict[str, list[Wait]] = {}
        self.held: dict[Wait, None] = {}
        self.listing, self.lists = False, True
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def watch(self, wait: Wait) -> AsyncGenerator[WaitEvent, None]:
        """Tell what becomes of a job, until it has ended one way or another.

        :param wait: the job and how long to wait.
        """
        if wait.job.kind == "batch":
            self.batches.setdefault(wait.job.id, []).append(wait)
        self._schedule(wait, self.clock.now())
        if self.task is None or self.task.done():
            self.task = contextvars.Context().run(asyncio.ensure_future, self._work())
        try:
            while True:
                news = await wait.news.get()
                yield news
                if news.what != "note":
                    return
        finally:
            wait.over = True
            self._drop(wait)
            self.changed.set()

    def _drop(self, wait: Wait) -> None:
        if waits := self.batches.get(wait.job.id):
            waits.remove(wait)
            if not waits:
                del self.batches[wait.job.id]

    def _schedule(self, wait: Wait, due: float) -> None:
        wait.due = due
        heapq.heappush(self.queue, (due, next(self.numbers), wait))
        self.changed.set()

    async def _work(self) -> None:
        try:
            # Again after leaving the client: whoever came while it was being closed found this task still alive.
            while self.queue:
                async with wire.shared_client(self.endpoint):
                    await self._work_off()
        finally:
            # An idle poller is forgotten: it knows its loop, and would keep it alive for ever.
            _forget(self)

    async def _work_off(self) -> None:
        looks: set[asyncio.Task[None]] = set()
        while self.queue or self.busy:
            self.changed.clear()
            while due := self._next_due():
                self.busy += 1
                look = asyncio.create_task(self._list(due) if len(due) > 1 else self._poll(due[0]))
                looks.add(look)
                look.add_done_callback(looks.discard)
            await self._pause()

    def _next_due(self) -> list[Wait]:
        """The next wait whose time has come, with others that one request can answer, while there is room for it."""
        now = self.clock.now()
        while first := self._pop(now):
            if self.listing and first.job.kind == "batch" and not first.alone:
                # The list that is under way may well tell of it.
                self.held[first] = None
                continue
            company = self._company(first, now)
            for wait in company:
                wait.due = math.inf
            return [first, *company]
        return []

    def _pop(self, now: float) -> Wait | None:
        while self.queue and self._stale(self.queue[0]):
            heapq.heappop(self.queue)
        if self.busy >= self.endpoint.max_in_flight or not self.queue:
            return None
        if max(self.queue[0][0], self.quiet_until) > now:
            return None
        wait = heapq.heappop(self.queue)[2]
        wait.due = math.inf
        return wait

    def _stale(self, entry: tuple[float, int, Wait]) -> bool:
        """Whether an entry of the queue is one that a wait left behind."""
        due, _, wait = entry
        return wait.over or wait.due != due

    def _company(self, first: Wait, now: float) -> list[Wait]:
        """Other waits for batches that are due soon, if they are many."""
        if first.job.kind != "batch" or first.alone or not self.lists:
            return []
        waiting = (wait for waits in self.batches.values() for wait in waits if wait is not first)
        soon = [wait for wait in waiting if not wait.over and not wait.alone and wait.due - now <= SOON * wait.pause]
        self.listing = len(soon) + 1 >= MANY
        return soon if self.listing else []

    async def _pause(self) -> None:
        """Sleep until the next wait is due, or something changes."""
        if self.busy >= self.endpoint.max_in_flight or not self.queue:
            if self.busy:
                await self.changed.wait()
            return
        rest = max(self.queue[0][0], self.quiet_until) - self.clock.now()
        sleeper = asyncio.ensure_future(self.clock.asleep(max(rest, 0.0)))
        waker = asyncio.ensure_future(self.changed.wait())
        await asyncio.wait({sleeper, waker}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeper, waker):
            task.cancel()

    async def _poll(self, wait: Wait) -> None:
        try:
            # One try: a lost look is made good by the next one, in its turn.
            once = dataclasses.replace(jobs.poll(wait.job), attempts=1)
            self._hear(wait, await wire.arun(self.endpoint, once, clock=self.clock))
        except errors.GrokError as error:
            self._suffer(wait, error)
        except Exception as error:
            # Nobody else would hear of it, and the wait would never end.
            trouble = errors.GrokError(f"Looking at {wait.job.kind} job {wait.job.id} failed: {type(error).__name__}.")
            trouble.__cause__ = error
            wait.end(WaitEvent("error", str(trouble), trouble))
        finally:
            self.busy -= 1
            self.changed.set()

    async def _list(self, due: list[Wait]) -> None:
        """Look at many batches by listing them, until all are found; those that are not are asked for alone."""
        missing = dict.fromkeys(due)
        try:
            await self._read_pages(missing)
        except (errors.RateLimited, errors.ServerUnavailable, errors.Unreachable) as error:
            for wait in missing:
                self._suffer(wait, error)
            missing = {}
        except errors.ResponseLost:
            # Too long a list, or none at all, is no reason to lose sight of the batches themselves.
            pass
        except Exception:
            self.lists = False
        finally:
            self.busy -= 1
            self.listing = False
            self.changed.set()
        for wait in (*missing, *self.held):
            wait.alone = wait in missing
            self._schedule(wait, self.clock.now())
        self.held.clear()

    async def _read_pages(self, missing: dict[Wait, None]) -> None:
        sought, token = len(missing), None
        for pages in itertools.count(1):
            page = batch_pages.looks(token=token)
            seen = await wire.arun(self.endpoint, dataclasses.replace(page, attempts=1), clock=self.clock)
            for batch_id, progress in seen.progress.items():
                for wait in tuple(self.batches.get(batch_id, ())):
                    # One that is neither sought, held nor in the queue is being asked for alone.
                    if wait in missing or wait in self.held or wait.due < math.inf:
                        self._hear(wait, progress)
                        missing.pop(wait, None)
                        self.held.pop(wait, None)
            token = seen.token
            if not missing or not token or pages >= ROPE + sought - len(missing):
                return

    def _hear(self, wait: Wait, progress: jobs.Progress) -> None:
        wait.hear(progress, self.clock.now())
        self._go_on(wait)

    def _suffer(self, wait: Wait, error: errors.GrokError) -> None:
        if rest := wait.suffer(error):
            self.quiet_until = max(self.quiet_until, self.clock.now() + rest)
        self._go_on(wait)

    def _go_on(self, wait: Wait) -> None:
        """See that a wait that is not over is looked at again."""
        wait.alone = False
        now = self.clock.now()
        if wait.over:
            return
        if wait.deadline is not None and now >= wait.deadline:
            wait.end(WaitEvent("timeout", wait.note))
            return
        wait.pause = jobs.pause(wait.job.kind, now - wait.job.submitted_at, wait.poll_interval)
        due = now + wait.pause
        self._schedule(wait, due if wait.deadline is None else min(due, wait.deadline))


# Keyed weakly by the loop object: id(loop) is used again once a loop is gone.
_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Endpoint, Poller]] = WeakKeyDictionary()


def poller_of(endpoint: Endpoint) -> Poller:
    """The running loop's poller for an endpoint.

    :param endpoint: where and as whom.
    """
    here = _pollers.setdefault(asyncio.get_running_loop(), {})
    if endpoint not in here:
        here[endpoint] = Poller(endpoint)
    return here[endpoint]


def _forget(poller: Poller) -> None:
    here = _pollers.get(asyncio.get_running_loop(), {})
    if here.get(poller.endpoint) is poller:
        del here[poller.endpoint]
