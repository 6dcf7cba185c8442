"""Persisting a batch over any number of tries: what was kept, what is still to come, and what it came to."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_grok.api import batches, errors, files, jobs, polling, wire
from airflow_provider_grok.api.call import Flow
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.batches.manifest import Row, finish, write_manifest
from airflow_provider_grok.flows.batches.persist_result import Persisted
from airflow_provider_grok.flows.batches.results import BatchResultStore
from airflow_provider_grok.flows.files.download import check_destination, put
from airflow_provider_grok.flows.files.upload import upload_once
from airflow_provider_grok.flows.purchases.names import manifest_name
from airflow_provider_grok.flows.purchases.options import PurchaseOptions
from airflow_provider_grok.flows.purchases.store import StateStore, TaskIdentity

T = TypeVar("T")

#: Rows in one entry of the task state store, so that an entry stays well under its 64 KiB.
CHUNK = 100
#: Time between two sweeps of a running batch: a share of its age, within these seconds. Links live 3600 s, and less
#: where the sandbox's clock runs fast: so a young batch is looked after closely.
SHARE, SHORTEST, LONGEST = 0.05, 5.0, 900.0


class Persisting:
    """Keep a batch's results, step by step, remembering across tries what is done.

    :param endpoint: where and as whom.
    :param batch_id: the batch.
    :param store: the task state store.
    :param destination: folder in an object storage; None: xAI Files.
    :param max_concurrency: how many results at a time.
    :param min_success: share of the requests that must be kept.
    :param terms: life, link, timeout and pace.
    :param log: where to tell what happens.
    """

    slot = "grok.persist"

    def __init__(
        self,
        endpoint: Endpoint,
        batch_id: str,
        store: StateStore,
        *,
        destination: str | None,
        max_concurrency: int,
        min_success: float,
        terms: PurchaseOptions,
        log: Any,
    ) -> None:
        self.endpoint, self.batch_id, self.store = endpoint, batch_id, store
        self.destination, self.max_concurrency, self.min_success = destination, max_concurrency, min_success
        self.terms, self.log = terms, log
        self.keeper: BatchResultStore | None = None
        self.patience = polling.ErrorBudget()
        self.written = self.seen = 0
        self.note, self.wake_after, self.on_links = "", 0.0, False
        self.started_at, rows = self._restore()
        self.rows = {row.batch_request_id: row for row in rows}
        if destination is not None:
            check_destination(destination)

    # -- memory ----------------------------------------------------------------------------------------------

    def _restore(self) -> tuple[float, list[Row]]:
        head = self.store.get(self.slot) or {}
        where = [self.batch_id, self.destination]
        if head.get("where") != where:
            started = wire.REAL_CLOCK.now()
            self.store.set(self.slot, {"where": where, "started_at": started, "rows": 0, "on_links": False})
            return started, []
        rows: list[Row] = []
        for number in range(math.ceil(head["rows"] / CHUNK)):
            rows += [Row.of(row) for row in self.store.get(f"{self.slot}.{number}") or []]
        self.written, self.on_links = len(rows), head.get("on_links", True)
        if rows:
            self.log.info("Going on with batch %s: %d results were kept before.", self.batch_id, len(rows))
        return head["started_at"], rows

    def _remember(self) -> None:
        """Write the rows that are new since the last time; a row never changes its place."""
        rows = list(self.rows.values())
        first = max(self.written - 1, 0) // CHUNK
        for number in range(first, math.ceil(len(rows) / CHUNK)):
            chunk = rows[number * CHUNK : (number + 1) * CHUNK]
            self.store.set(f"{self.slot}.{number}", [_lean(row.as_json()) for row in chunk])
        where = [self.batch_id, self.destination]
        on_links = self.on_links or (self.keeper is not None and self.keeper.on_links)
        head = {"where": where, "started_at": self.started_at, "rows": len(rows), "on_links": on_links}
        self.store.set(self.slot, head)
        self.on_links = on_links
        self.written = len(rows)

    # -- one step --------------------------------------------------------------------------------------------

    def step(self) -> tuple[batches.Batch, bool]:
        """Look at the batch, keep what is new, and say whether there is nothing left to wait for.

        :raises NotFound: for a batch that does not exist.
        :raises GrokError: when nine looks in a row failed, or one for good.
        """
        while (progress := self._poll()) is None:
            self.rest()
        batch: batches.Batch = progress.result
        self.failure = progress.failure or self._out_of_time(progress, batch)
        over = progress.state != "pending" or self.failure is not None
        if self.keeper is None:
            self.keeper = self._keeper(batch)
        if over or self._worth_a_sweep(batch):
            if self._sweep(self.keeper, again=over):
                # What could not be copied counts as not seen, so that it is tried again.
                self.seen = batch.state.ended - len(self.keeper.troubles)
            self.wake_after = wire.REAL_CLOCK.now() + self._until_next_sweep()
        self._tell(batch, progress)
        return batch, over

    def _sweep(self, keeper: BatchResultStore, *, again: bool) -> bool:
        """Keep what is new; says whether the sweep came to its end.

        :param keeper: does it.
        :param again: whether a sweep that is lost is tried again here, for there will be no other.
        :raises GrokError: when it failed for good, or nine times in a row.
        """
        while True:
            try:
                asyncio.run(keeper.copy_new_results(self._remember))
                return True
            except errors.GrokError as error:
                self.patience.record_error(error)
                self.log.warning("A look at the results of batch %s was lost: %s", self.batch_id, error)
            if not again:
                return False
            self.rest()

    def _until_next_sweep(self) -> float:
        kept = any(row.state == "kept" for row in self.rows.values())
        if kept and not self.on_links:
            # The server stores the results itself: the few that it may fail to store have an hour.
            return LONGEST
        return min(max(self._age() * SHARE, SHORTEST), LONGEST)

    def _poll(self) -> jobs.Progress | None:
        try:
            progress = wire.run(self.endpoint, jobs.poll(jobs.Job("batch", self.batch_id, self.started_at)))
        except errors.GrokError as error:
            self.patience.record_error(error)
            self.log.warning("A look at batch %s was lost: %s", self.batch_id, error)
            return None
        self.patience.record_success(progress)
        return progress

    def _out_of_time(self, progress: jobs.Progress, batch: batches.Batch) -> errors.JobTimeout | None:
        if progress.state != "pending" or self.seconds_left() > 0:
            return None
        return errors.JobTimeout(
            f"Batch {self.batch_id} was not over {self._age():.0f} s after this task began to wait ({batch.note}). "
            "What there was is kept; another try goes on from there. A longer `timeout` waits longer."
        )

    def _worth_a_sweep(self, batch: batches.Batch) -> bool:
        return batch.state.ended > self.seen and wire.REAL_CLOCK.now() >= self.wake_after

    def _tell(self, batch: batches.Batch, progress: jobs.Progress) -> None:
        kept = sum(row.state == "kept" for row in self.rows.values())
        note = f"{progress.note}; {kept} kept"
        if note != self.note:
            words = jobs.words(progress, self._age())
            self.log.info("Batch %s: %s; %d kept.", self.batch_id, words, kept)
        self.note = note

    def _keeper(self, batch: batches.Batch) -> BatchResultStore:
        return BatchResultStore(
            self.endpoint,
            batch,
            destination=self.destination,
            expires_after=self.terms.expires_after,
            link=self.terms.link,
            max_concurrency=self.max_concurrency,
            log=self.log,
            rows=self.rows,
        )

    def _age(self) -> float:
        return wire.REAL_CLOCK.now() - self.started_at

    # -- waiting ---------------------------------------------------------------------------------------------

    def seconds_left(self) -> float:
        """Seconds until this task gives up."""
        return self.started_at + (self.terms.timeout or 0) - wire.REAL_CLOCK.now()

    def rest(self) -> None:
        """Wait in place until the next look."""
        interval = polling.interval("batch", self._age(), self.terms.poll_interval)
        wire.REAL_CLOCK.sleep(max(0.0, min(interval, self.seconds_left())))

    def wait(self) -> dict[str, Any]:
        """What the trigger is to wait for: the batch's end, or results that are new."""
        return {
            "kind": "batch",
            "job_id": self.batch_id,
            "submitted_at": self.started_at,
            "deadline": self.started_at + (self.terms.timeout or 0),
            "poll_interval": self.terms.poll_interval,
            "seen": self.seen,
            "wake_after": self.wake_after,
        }

    # -- the end ---------------------------------------------------------------------------------------------

    def conclude(self, batch: batches.Batch) -> Persisted:
        """Write the manifest, and say what was kept.

        :param batch: the batch, for which there is nothing left to wait.
        """
        if self.keeper is None:
            raise AssertionError("conclude() comes after step()")
        keeper, late = self.keeper, list[errors.GrokError]()
        order = _or_late(late, lambda: wire.run(self.endpoint, self._order())) or []
        unlinked = asyncio.run(keeper.link_missing()) if self.terms.link else []
        self._remember()
        rows = finish(self.rows, order, keeper.troubles, batch.status(wire.REAL_CLOCK.now()), keeper.ticks)
        manifest = _or_late(late, lambda: self._write_manifest(keeper, rows)) if rows else None
        return Persisted(
            rows,
            manifest,
            batch.batch_id,
            self.min_success,
            troubles=list(keeper.troubles.values()),
            failure=self.failure,
            unlinked=unlinked,
            late=late,
        )

    def so_far(self) -> Persisted:
        """What was kept until something went wrong: rows in no particular order, and no manifest."""
        return Persisted(list(self.rows.values()), None, self.batch_id, self.min_success)

    def _write_manifest(self, keeper: BatchResultStore, rows: list[Row]) -> str:
        with tempfile.TemporaryDirectory(prefix="grok-") as folder:
            path = Path(folder) / manifest_name(keeper.stem, keeper.token)
            write_manifest(rows, path)
            return self._store_manifest(path)

    def _order(self) -> Flow[list[str]]:
        """The ids of all requests, in the order in which they were asked for."""
        ids: dict[str, None] = {}
        for batch_id in (yield from self.keeper.batch_ids()) if self.keeper else ():
            ids |= dict.fromkeys((yield from batches.request_order(batch_id)))
        return list(ids)

    def _store_manifest(self, path: Path) -> str:
        if self.destination is not None:
            target = f"{self.destination.rstrip('/')}/{path.name}"
            put(path, target)
            return target
        life = self.terms.expires_after
        work = upload_once(self.endpoint, str(path), TaskIdentity.nobody(), expires_after=life, log=self.log)
        manifest = wire.run(self.endpoint, work).file.id
        self._replace_manifest(manifest)
        return manifest

    def _replace_manifest(self, manifest: str) -> None:
        """Delete the manifest of a try that had to leave something out: nobody is to take it for the last one."""
        key = f"{self.slot}.manifest"
        before = (self.store.get(key) or {}).get("file_id")
        self.store.set(key, {"file_id": manifest})
        if before and before != manifest:
            try:
                wire.run(self.endpoint, files.delete(before))
            except errors.GrokError as error:
                self.log.warning("The manifest %s of an earlier try could not be deleted: %s", before, error)


def _or_late(late: list[errors.GrokError], do: Callable[[], T]) -> T | None:
    """Do something that comes after everything is safe: where it fails, the rest is told all the same."""
    try:
        return do()
    except errors.GrokError as error:
        late.append(error)
        return None


def _lean(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what it does not say: a store entry should stay small."""
    files = [{name: value for name, value in one.items() if value is not None} for one in row["files"]]
    return {name: value for name, value in row.items() if value is not None} | {"files": files}
