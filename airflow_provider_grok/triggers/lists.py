"""Listing instead of asking one by one: a page of batches, or of files, answers a hundred waits at once."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from airflow_provider_grok.api import batch_pages, errors, files, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.jobs import Progress
from airflow_provider_grok.triggers.due_queue import DueQueue
from airflow_provider_grok.triggers.waits import Wait, WaitEvent

log = logging.getLogger(__name__)

#: How many batches that are due make a list cheaper than asking for each.
MANY = 3
#: A wait is due soon when this share of its usual pause, or less, is left.
SOON = 0.25
#: How many pages in a row without any of the batches that are missing are read at the least. Beyond, as many as half
#: of those that are missing: to ask for each would cost more.
EMPTY_PAGES = 3
#: Seconds for which a server that refuses to list is not asked to.
NO_LISTS = 600.0
#: Seconds by which the server's clock may differ from ours, and a listing may lag.
CLOCK_SLACK = 120.0
#: The most pages of files that are read at a time: a file deeper down is found by the task itself, by its name.
FILE_PAGES = 50

_HEX_RUN = re.compile(r"[0-9a-f]+")


class PollsWaits(Protocol):
    """What a list needs of the poller whose waits it answers."""

    @property
    def endpoint(self) -> Endpoint:
        """Where and as whom."""

    @property
    def clock(self) -> wire.Clock:
        """The time to live by."""

    def schedule(self, wait: Wait, due: float) -> None:
        """Poll for a wait again, unless it is over."""

    def on_status(self, wait: Wait, progress: Progress, now: float) -> None:
        """Take in an answer for one wait."""

    def on_error(self, wait: Wait, error: errors.GrokError, now: float) -> None:
        """Take in a failed poll for one wait."""

    def in_slices(self, waits: Iterable[Wait]) -> AsyncIterator[Wait]:
        """Go through many waits, and let the loop have its turn in between."""


class Lists(ABC):
    """Waits that are answered by listing.

    :param poller: whose waits they are.
    """

    def __init__(self, poller: PollsWaits) -> None:
        self.poller = poller
        self.queue = DueQueue()
        self.known: dict[str, list[Wait]] = {}
        self.busy = False

    @abstractmethod
    def name_of(self, wait: Wait) -> str:
        """What a wait is found by in a list; empty where it is not to be listed."""

    @abstractmethod
    async def run(self) -> None:
        """List, and answer the waits."""

    def takes(self, wait: Wait) -> bool:
        """Whether a wait stands in this queue.

        :param wait: the wait.
        """
        return bool(self.name_of(wait)) and not wait.alone

    def add(self, wait: Wait) -> None:
        """Remember what a wait is found by.

        :param wait: the wait.
        """
        if name := self.name_of(wait):
            self.known.setdefault(name, []).append(wait)

    def remove(self, wait: Wait) -> None:
        """Forget a wait.

        :param wait: the wait.
        """
        name = self.name_of(wait)
        if waits := self.known.get(name):
            waits.remove(wait)
            if not waits:
                del self.known[name]

    async def due_soon(self) -> dict[Wait, None]:
        """Take out of the queue whoever is due, with those who will be soon."""
        now, taken = self.poller.clock.now(), dict[Wait, None]()
        while (first := self.queue.first()) and first.due <= now + SOON * first.pause:
            taken[self.queue.pop()] = None
            if not len(taken) % 1000:
                await asyncio.sleep(0)
        return taken


class BatchLists(Lists):
    """Waits for batches."""

    def __init__(self, poller: PollsWaits) -> None:
        super().__init__(poller)
        self.no_lists_until = 0.0
        self.missing: dict[Wait, None] = {}

    def name_of(self, wait: Wait) -> str:
        """The batch's id."""
        return wait.job.id if wait.job.kind == "batch" else ""

    def remove(self, wait: Wait) -> None:
        """Forget a wait, also where the list that is under way looks for it.

        :param wait: the wait.
        """
        super().remove(wait)
        self.missing.pop(wait, None)

    async def run(self) -> None:
        """List batches until all that are due are found; those that are not are asked for alone."""
        self.missing = await self.due_soon()
        if len(self.missing) >= MANY and self.poller.clock.now() >= self.no_lists_until:
            await self._list()
        now, alone, self.missing = self.poller.clock.now(), self.missing, {}
        async for wait in self.poller.in_slices(alone):
            wait.alone = True
            self.poller.schedule(wait, now)

    async def _list(self) -> None:
        try:
            await self._read_pages()
        except (errors.RateLimited, errors.ServerUnavailable, errors.Unreachable) as error:
            await self._all_failed(error)
        except errors.ResponseLost:
            # Too long a list, or none at all, is no reason to lose sight of the batches themselves.
            pass
        except errors.PermissionDenied as error:
            if error.status == 403:
                # The key may be allowed to read a batch, and not to list them.
                self._ask_for_each(error)
            else:
                await self._all_failed(error)
        except Exception as error:
            self._ask_for_each(error)

    def _ask_for_each(self, error: Exception) -> None:
        log.warning("Batches cannot be listed (%s: %s): asking for each.", type(error).__name__, error)
        self.no_lists_until = self.poller.clock.now() + NO_LISTS

    async def _all_failed(self, error: errors.GrokError) -> None:
        failed, self.missing = self.missing, {}
        async for wait in self.poller.in_slices(failed):
            if not wait.over:
                self.poller.on_error(wait, error, self.poller.clock.now())

    async def _read_pages(self) -> None:
        poller, token, empty = self.poller, None, 0
        while True:
            call = dataclasses.replace(batch_pages.status_page(token=token, wanted=self.known), attempts=1)
            page = await wire.arun(poller.endpoint, call, clock=poller.clock)
            before, now = len(self.missing), poller.clock.now()
            for batch_id, progress in page.progress.items():
                for wait in tuple(self.known.get(batch_id, ())):
                    # One that is neither missing nor in a queue is being asked for alone.
                    if not wait.over and (wait in self.missing or wait.due < math.inf):
                        self.missing.pop(wait, None)
                        poller.on_status(wait, progress, now)
            empty = empty + 1 if len(self.missing) == before else 0
            token = page.token
            if not self.missing or not token or empty >= max(EMPTY_PAGES, len(self.missing) // 2):
                return


class FileLists(Lists):
    """Waits for files of which only the key in their names is known."""

    def name_of(self, wait: Wait) -> str:
        """The key."""
        return "" if wait.job.id else wait.key

    async def run(self) -> None:
        """List the newest files: one listing answers all waits, whoever is due."""
        poller, due = self.poller, await self.due_soon()
        if not due:
            return
        start = poller.clock.now()
        since = min(wait.listed_since for wait in due) - CLOCK_SLACK
        try:
            await self._read_pages(since)
        except errors.GrokError as error:
            async for wait in poller.in_slices(due):
                if not wait.over:
                    poller.on_error(wait, error, poller.clock.now())
            return
        except Exception as error:
            trouble = errors.GrokError(f"Listing files failed: {type(error).__name__}.")
            trouble.__cause__ = error
            for wait in due:
                wait.end(WaitEvent("error", str(trouble), trouble))
            return
        async for wait in poller.in_slices(due):
            if not wait.over:
                wait.listed_since = start
                poller.on_status(wait, Progress("pending"), poller.clock.now())

    async def _read_pages(self, since: float) -> None:
        poller, token = self.poller, None
        for _ in range(FILE_PAGES):
            call = dataclasses.replace(files.page(token=token), attempts=1)
            page = await wire.arun(poller.endpoint, call, clock=poller.clock)
            for file in page.data:
                for run in _HEX_RUN.findall(file.filename.lower()):
                    for wait in tuple(self.known.get(run, ())):
                        wait.on_file(file.id)
            token = page.pagination_token
            oldest = page.data[-1].created_at if page.data else 0
            if not self.known or not token or len(page.data) < files.PAGE or oldest < since:
                return
