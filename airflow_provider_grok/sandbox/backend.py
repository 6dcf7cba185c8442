"""Everything behind the routes, in one place: settings, clock, store, faults, ledger, journal, ids, jobs."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from airflow_provider_grok.sandbox.clock import Clock
from airflow_provider_grok.sandbox.connection_line import DEFAULT_KEY
from airflow_provider_grok.sandbox.faults import Faults
from airflow_provider_grok.sandbox.ids import Ids
from airflow_provider_grok.sandbox.jobs import Jobs
from airflow_provider_grok.sandbox.journal import Journal
from airflow_provider_grok.sandbox.lazy_media import LazyMedia
from airflow_provider_grok.sandbox.ledger import Ledger
from airflow_provider_grok.sandbox.store import Store

P = ParamSpec("P")
T = TypeVar("T")

READ_IN_PLACE = 1_000_000  # bytes: below, a thread costs more than the read


@dataclass(frozen=True)
class Settings:
    """How this sandbox behaves.

    :param api_key: the one key it accepts.
    :param seed: of ids and pictures; None gives others each time.
    :param strict: refuse unknown fields instead of noting them.
    :param batch_storage: whether batches honour `storage_options`.
    :param image_seconds: how long a deferred image takes, by the clock.
    :param video_seconds: how long a video takes.
    :param batch_seconds: how long a batch takes.
    :param link_quota: how many public URLs may be active at once.
    :param rate_limits: whether there are limits of requests per second (see `rate_limits`).
    :param custom_voices: ids of voices that are accepted besides the presets.
    :param results_grace: seconds for which the results of a batch can still be read after its end.
    """

    api_key: str = DEFAULT_KEY
    seed: int | None = None
    strict: bool = False
    batch_storage: bool = True
    image_seconds: float = 0.5
    video_seconds: float = 4.0
    batch_seconds: float = 4.0
    link_quota: int = 1000
    rate_limits: bool = False
    custom_voices: tuple[str, ...] = ()
    results_grace: float = 0.0


class Backend:
    """The state of one sandbox and what works on it."""

    def __init__(self, folder: Path, settings: Settings, clock: Clock, clock_rate: float | None = None) -> None:
        """Open or go on with the state in a folder.

        :param folder: where the state lies.
        :param clock_rate: sandbox seconds per real second; None for that of the kept state, or 1.
        """
        self.settings = settings
        self.clock = clock
        self.store = Store(folder)
        kept = self.store.recall("clock")
        if kept:
            clock.restore(kept)
        if clock_rate is not None:
            clock.rate = clock_rate
        self.faults = Faults()
        self.ledger = Ledger(self.store, clock)
        self.journal = Journal(self.store)
        self.ids = Ids(self.store, settings.seed)
        self.jobs = Jobs(self)
        self.lazy_media = LazyMedia(self)
        self.calls: defaultdict[str, deque[float]] = defaultdict(deque)  # when, by what is limited
        # Blobs known to be pictures, and those being looked at: a batch names one source many times.
        self.readable: set[str] = set()
        self.checking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Batches get a thread of their own: five hundred pictures must not stand before the next single one.
        self._front = ThreadPoolExecutor(2, thread_name_prefix="sandbox-media")
        self._back = ThreadPoolExecutor(1, thread_name_prefix="sandbox-batch")

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do heavy work without stopping the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._front, partial(work, *args, **kwargs))

    async def in_back_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do heavy work that can wait behind single requests."""
        return await asyncio.get_running_loop().run_in_executor(self._back, partial(work, *args, **kwargs))

    async def read(self, blob: str) -> bytes:
        """Return a blob's bytes; not through the threads that make pictures, which may be busy for long."""
        blob = await self.lazy_media.resolve(blob)
        if self.store.blob_path(blob).stat().st_size < READ_IN_PLACE:
            return self.store.read_blob(blob)
        return await asyncio.to_thread(self.store.read_blob, blob)

    def keep_clock(self) -> None:
        """Write the clock down, so that a restart goes on from it."""
        self.store.remember("clock", self.clock.snapshot())

    def reset(self) -> None:
        """Start anew: no files, jobs, journal, ledger or faults; real time."""
        self.jobs.stop()
        self.store.empty()
        self.faults.clear()
        self.ids.reset()
        self.calls.clear()
        self.clock.reset()

    def close(self) -> None:
        """Keep the clock and let go of database and threads."""
        self.keep_clock()
        for pool in (self._front, self._back):
            pool.shutdown(wait=True, cancel_futures=True)
        self.store.close()


def as_switch(value: Any, default: str) -> str:
    """Return the text of a fault's switch: its own, or a default where it is just true."""
    return value if isinstance(value, str) else default
