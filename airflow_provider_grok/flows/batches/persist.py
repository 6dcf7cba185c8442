"""Persisting a batch over any number of tries: what was kept, what is still to come, and what it came to."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_grok.api import batches, errors, files, jobs, polling, wire
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.batches.contents import BatchContents, contents_of, counters, provisional
from airflow_provider_grok.flows.batches.lag import missing_results
from airflow_provider_grok.flows.batches.manifest import Row, finish, write_manifest
from airflow_provider_grok.flows.batches.media import twins_among
from airflow_provider_grok.flows.batches.persist_record import RECORD_KEY, PersistRecord
from airflow_provider_grok.flows.batches.persist_result import PersistResult
from airflow_provider_grok.flows.batches.results import BatchResultStore
from airflow_provider_grok.flows.files.destination import check_destination, put
from airflow_provider_grok.flows.files.upload import upload_once
from airflow_provider_grok.flows.purchases.names import manifest_name
from airflow_provider_grok.flows.purchases.options import PurchaseOptions
from airflow_provider_grok.flows.purchases.store import StateStore, TaskIdentity

T = TypeVar("T")

#: Time between two sweeps of a running batch: a share of its age, within these seconds. Links live 3600 s, and less
#: where the sandbox's clock runs fast: so a young batch is looked after closely.
SHARE, SHORTEST, LONGEST = 0.05, 5.0, 900.0
#: Seconds that one try waits for results that the batch has counted and does not list, and for a batch's list.
LAG = 180.0
#: Seconds that a batch may be unknown to a server that has just given its id.
NOT_FOUND_FOR = 60.0


class Persisting:
    """Keep a batch's results, step by step, remembering across tries what is done.

    :param endpoint: where and as whom.
    :param batch_id: the batch.
    :param store: the task state store.
    :param destination: folder in an object storage; None: xAI Files.
    :param max_concurrency: how many results at a time.
    :param min_success: share of the requests that must be kept.
    :param options: life, link, timeout and pace.
    :param link_yields: whether a link's life gives way to a shorter life of its file.
    :param log: where to tell what happens.
    """

    record_key = RECORD_KEY

    def __init__(
        self,
        endpoint: Endpoint,
        batch_id: str,
        store: StateStore,
        *,
        destination: str | None,
        max_concurrency: int,
        min_success: float,
        options: PurchaseOptions,
        link_yields: bool = False,
        log: Any,
    ) -> None:
        self.endpoint, self.batch_id, self.store = endpoint, batch_id, store
        self.destination, self.max_concurrency, self.min_success = destination, max_concurrency, min_success
        self.options, self.link_yields, self.log = options, link_yields, log
        self.contents: BatchContents | None = None
        self.unresolved: errors.GrokError | None = None
        self.results: BatchResultStore | None = None
        self.failure: errors.GrokError | None = None
        self.states: dict[str, batches.Batch] = {}
        self.over: set[str] = set()
        self.seen: dict[str, int] = {}
        self.lost = 0
        self.lagging_since: float | None = None
        self.not_found_since: float | None = None
        self.note, self.wake_after = "", 0.0
        self.record = PersistRecord(store, batch_id, destination)
        self.started_at = self.record.started_at
        self.polls = polling.PollingState(jobs.Job("batch", batch_id, self.started_at), None, options.poll_interval)
        self.poll_at: float | None = None
        if self.rows:
            log.info("Going on with batch %s: %d results were kept before.", batch_id, len(self.rows))
        if destination is not None:
            check_destination(destination)

    # -- memory ----------------------------------------------------------------------------------------------

    @property
    def rows(self) -> dict[str, Row]:
        """What is known of each request, by the user's id."""
        return self.record.rows

    def _remember(self, *, finished: bool = False) -> None:
        """Write the rows that are new since the last time; at the end all of them, for links may have changed."""
        self.record.on_links |= self.results is not None and self.results.on_links
        self.record.save(finished=finished)

    # -- one step --------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Poll the batch, keep what is new, and say whether there is nothing left to wait for.

        :raises NotFound: for a batch that does not exist.
        :raises GrokError: when nine polls in a row failed, or one for good.
        """
        while (contents := self._poll()) is None:
            self.rest()
        pending = [batch_id for batch_id in contents.batch_ids if batch_id not in self.over]
        self.failure = self.failure or (self._out_of_time() if pending else None)
        is_over = not pending or self.failure is not None
        results = self._results(contents)
        if is_over or self._is_worth_a_sweep():
            if self._sweep(results, again=is_over):
                # What could not be copied counts as not seen, so that it is tried again.
                self.seen = {id: batch.state.ended for id, batch in self.states.items()}
                if results.troubles:
                    self.seen = dict.fromkeys(self.seen, -1)
            self.wake_after = wire.REAL_CLOCK.now() + self._until_next_sweep()
        self.over |= results.ended
        if isinstance(self.failure, errors.JobTimeout) and self.over.issuperset(pending):
            # A bare date left the batch some hours more, and its results say that it is over.
            self.failure = None
        self._report(pending)
        if is_over and not self.failure and self._is_lagging(contents):
            return False
        return is_over

    def _results(self, contents: BatchContents) -> BatchResultStore:
        if self.results is None or self.results.contents is not contents:
            self.results = BatchResultStore(
                self.endpoint,
                contents,
                destination=self.destination,
                expires_after=self.options.expires_after,
                link=self.options.link,
                link_yields=self.link_yields,
                max_concurrency=self.max_concurrency,
                log=self.log,
                rows=self.rows,
            )
            if contents.name is None:
                self.results.twins = twins_among(self._ids_of(contents))
            if self.record.finished:
                # A person cleared the task after it had ended: its files may have been deleted since.
                asyncio.run(self.results.drop_deleted())
                self.record.finished = False
        return self.results

    def _ids_of(self, contents: BatchContents) -> list[str]:
        try:
            return wire.run(self.endpoint, batches.request_order(contents.batch.batch_id))
        except errors.GrokError as error:
            self.log.info("The requests of batch %s cannot be listed yet: %s", self.batch_id, error)
            return []

    def _sweep(self, results: BatchResultStore, *, again: bool) -> bool:
        """Keep what is new; says whether the sweep came to its end.

        :param results: does it.
        :param again: whether a sweep that is lost is tried again here, for there will be no other.
        :raises GrokError: when it failed for good, or nine times in a row.
        """
        while True:
            try:
                asyncio.run(results.copy_new_results(self._remember))
                return True
            except errors.GrokError as error:
                self._record_error(error)
                self.log.warning("The results of batch %s could not be read: %s", self.batch_id, error)
            if not again:
                return False
            self.rest()

    def _record_error(self, error: errors.GrokError) -> None:
        """Bear a failed request; a 404 on what was there before is no more than that.

        :raises GrokError: the same error, when it is permanent or one too many.
        """
        if not isinstance(error, errors.NotFound):
            decision = self.polls.on_error(error, wire.REAL_CLOCK.now())
            if decision.error:
                raise decision.error
            self.poll_at = decision.at
            return
        self.lost += 1
        if self.states or self.rows:
            if self.lost > polling.LOST_POLLS:
                raise errors.GrokError(
                    f"{error.brief}, though batch {self.batch_id} was there before. Another try asks again."
                ) from error
            return
        now = wire.REAL_CLOCK.now()
        self.not_found_since = self.not_found_since or now
        if not batches.is_server_id(self.batch_id) or now - self.not_found_since >= NOT_FOUND_FOR:
            raise error

    def _is_lagging(self, contents: BatchContents) -> bool:
        """Whether results that were counted are not there yet; after some minutes that is the task's failure.

        :param contents: what the batch id stands for.
        """
        known = self.rows.keys() | (self.results.troubles.keys() if self.results else set())
        missing = wire.run(self.endpoint, missing_results(contents, self.states, known, self.log))
        if not missing and not self.unresolved:
            return False
        now = wire.REAL_CLOCK.now()
        self.lagging_since = self.lagging_since or now
        if now - self.lagging_since < min(LAG, max(self.seconds_left(), 0.0)):
            self.rest()
            return True
        if missing and not self.unresolved:
            self.failure = errors.GrokError(
                f"Batch {self.batch_id}: {missing}. All that is listed is kept and in XCom; the server's list lags, "
                "and another try goes on with the rest."
            )
        return False

    def _until_next_sweep(self) -> float:
        kept = any(row.state == "kept" for row in self.rows.values())
        if kept and not self.record.on_links:
            # The server stores the results itself: the few that it may fail to store have an hour.
            return LONGEST
        return min(max(self._age() * SHARE, SHORTEST), LONGEST)

    def _poll(self) -> BatchContents | None:
        """Ask how all batches are that the id stands for; None where the poll was lost."""
        try:
            contents = self._resolve()
            for batch_id in contents.batch_ids:
                if batch_id not in self.over:
                    job = jobs.Job("batch", batch_id, self.started_at)
                    self._take_in(batch_id, wire.run(self.endpoint, jobs.poll(job)))
        except errors.GrokError as error:
            self._record_error(error)
            self.log.warning("A poll of batch %s was lost: %s", self.batch_id, error)
            return None
        self.lost = 0
        return contents

    def _take_in(self, batch_id: str, progress: jobs.Progress) -> None:
        self.poll_at = self.polls.on_status(progress, wire.REAL_CLOCK.now()).at
        self.states[batch_id] = progress.result
        if progress.state != "pending":
            self.over.add(batch_id)
            self.failure = self.failure or progress.failure

    def _resolve(self) -> BatchContents:
        """What the batch id stands for; while that cannot be told, the batch itself."""
        if self.contents is not None:
            return self.contents
        try:
            self.contents = wire.run(self.endpoint, contents_of(self.batch_id, self.log))
            self.unresolved = None
            self.over.clear()
            return self.contents
        except (errors.NotFound, errors.PermissionDenied):
            raise
        except errors.GrokError as error:
            if error.permanent:
                raise
            self.unresolved = error
            self.log.warning("It is not known yet what batch %s stands for: %s", self.batch_id, error)
        found = provisional(wire.run(self.endpoint, batches.get(self.batch_id)))
        if found.batch.state.num_requests == 0 and not found.batch.input_file_id:
            self.lagging_since = self.lagging_since or wire.REAL_CLOCK.now()
            if wire.REAL_CLOCK.now() - self.lagging_since >= LAG:
                raise self.unresolved
        if self.results and self.results.contents.batch.batch_id == found.batch.batch_id:
            return self.results.contents
        return found

    def _out_of_time(self) -> errors.JobTimeout | None:
        if self.seconds_left() > 0:
            return None
        return errors.JobTimeout(
            f"Batch {self.batch_id} was not over {self._age():.0f} s after this task began to wait ({self._note()}). "
            "What there was is kept; another try goes on from there. A longer `timeout` waits longer."
        )

    def _is_worth_a_sweep(self) -> bool:
        new = any(batch.state.ended > self.seen.get(id, 0) for id, batch in self.states.items())
        return new and wire.REAL_CLOCK.now() >= self.wake_after

    def _note(self) -> str:
        """How far the list is, in words."""
        states = [batch.state for batch in self.states.values()]
        rows = self.contents.rows if self.contents else None
        total = len(rows) if rows is not None else sum(state.num_requests for state in states)
        ended, failed = (sum(getattr(state, name) for state in states) for name in ("ended", "num_error"))
        if len(states) == 1 and states[0].num_requests == total:
            return self.states[next(iter(self.states))].note
        return f"{min(ended, total)} of {total} done{f', {failed} failed' if failed else ''}"

    def _report(self, pending: list[str]) -> None:
        kept = sum(row.state == "kept" for row in self.rows.values())
        note = f"{self._note()}; {kept} kept"
        if note != self.note:
            where = f" (in {len(pending)} batches)" if len(pending) > 1 else ""
            self.log.info("Batch %s: %s%s.", self.batch_id, note, where)
        self.note = note

    def _age(self) -> float:
        return wire.REAL_CLOCK.now() - self.started_at

    # -- waiting ---------------------------------------------------------------------------------------------

    def seconds_left(self) -> float:
        """Seconds until this task gives up."""
        return self.started_at + (self.options.timeout or 0) - wire.REAL_CLOCK.now()

    @property
    def is_waiting(self) -> bool:
        """Whether a batch is still running, so that the wait may go on in the triggerer."""
        known = self.contents.batch_ids if self.contents else tuple(self.states)
        return any(batch_id not in self.over for batch_id in known)

    def rest(self) -> None:
        """Wait in place until the next poll."""
        now = wire.REAL_CLOCK.now()
        at, self.poll_at = self.poll_at, None
        if at is None or at <= now:
            at = now + polling.interval("batch", self._age(), self.options.poll_interval)
        wire.run(self.endpoint, polling.rest_until(min(at, now + max(self.seconds_left(), 0.0))))

    def wait(self) -> dict[str, Any]:
        """What the trigger is to wait for: the batch's end, or results that are new."""
        pending = [id for id in (self.contents.batch_ids if self.contents else ()) if id not in self.over]
        seen = {id: self.seen.get(id, 0) for id in pending or [self.batch_id]}
        alone = len(seen) == 1 and self.batch_id in seen
        return {
            "kind": "batch",
            "job_id": self.batch_id,
            "submitted_at": self.started_at,
            "deadline": self.started_at + (self.options.timeout or 0),
            "poll_interval": self.options.poll_interval,
            "seen": seen[self.batch_id] if alone else 0,
            "wake_after": self.wake_after,
            **({} if alone else {"parts": seen}),
        }

    # -- the end ---------------------------------------------------------------------------------------------

    def conclude(self) -> PersistResult:
        """Write the manifest, and say what was kept; there is nothing left to wait for."""
        if self.results is None:
            raise AssertionError("conclude() comes after step()")
        results, late = self.results, list[errors.GrokError]()
        order = collect_error(late, self._order) or []
        unlinked = asyncio.run(results.link_missing()) if self.options.link else []
        self._remember(finished=not self.failure and not results.troubles and not late)
        rows = finish(self.rows, order, results.troubles, self._statuses(), results.ticks)
        manifest = collect_error(late, lambda: self._write_manifest(results, rows)) if rows else None
        return PersistResult(
            rows,
            manifest,
            self.batch_id,
            self.min_success,
            troubles=list(results.troubles.values()),
            failure=self.failure,
            unlinked=unlinked,
            late=late,
        )

    def partial_result(self) -> PersistResult:
        """What was kept until something went wrong: rows in no particular order, and no manifest."""
        return PersistResult(list(self.rows.values()), None, self.batch_id, self.min_success)

    def counts(self) -> Mapping[str, int]:
        """The server's own counters over the rows that the batch id stands for."""
        contents = self.contents or provisional(self.states[self.batch_id])
        return wire.run(self.endpoint, counters(contents, self.states)).counts()

    def _statuses(self) -> Callable[[str], str]:
        """How the batch of a row stands."""
        now = wire.REAL_CLOCK.now()
        rows = self.contents.rows if self.contents and self.contents.rows else ()
        places = {row.id: row.batch_id for row in rows}
        own = list(self.states.values())[-1].status(now) if self.states else "running"

        def status(id: str) -> str:
            if self.results and (places.get(id) or self.batch_id) in self.results.ended:
                return "expired"
            batch = self.states.get(places.get(id) or "")
            return batch.status(now) if batch else own

        return status

    def _write_manifest(self, results: BatchResultStore, rows: list[Row]) -> str:
        with tempfile.TemporaryDirectory(prefix="grok-") as folder:
            path = Path(folder) / manifest_name(results.stem, results.key)
            write_manifest(rows, path)
            return self._store_manifest(path)

    def _order(self) -> list[str]:
        """The users' ids of all requests, in the order in which they were asked for."""
        if self.unresolved:
            raise self.unresolved
        contents = self._resolve()
        if contents.rows is not None:
            return [row.id for row in contents.rows]
        ids: dict[str, None] = {}
        for batch_id in contents.batch_ids:
            ids |= dict.fromkeys(wire.run(self.endpoint, batches.request_order(batch_id)))
        return list(ids)

    def _store_manifest(self, path: Path) -> str:
        if self.destination is not None:
            target = f"{self.destination.rstrip('/')}/{path.name}"
            put(path, target)
            return target
        life = self.options.expires_after
        work = upload_once(self.endpoint, str(path), TaskIdentity.nobody(), expires_after=life, log=self.log)
        manifest = wire.run(self.endpoint, work).file.id
        self._replace_manifest(manifest)
        return manifest

    def _replace_manifest(self, manifest: str) -> None:
        """Delete the manifest of a try that had to leave something out: nobody is to take it for the last one."""
        key = f"{self.record_key}.manifest"
        before = (self.store.get(key) or {}).get("file_id")
        self.store.set(key, {"file_id": manifest})
        if before and before != manifest:
            try:
                wire.run(self.endpoint, files.delete(before))
            except errors.GrokError as error:
                self.log.warning("The manifest %s of an earlier try could not be deleted: %s", before, error)


def collect_error(late: list[errors.GrokError], do: Callable[[], T]) -> T | None:
    """Do something that comes after everything is safe: where it fails, the rest is told all the same."""
    try:
        return do()
    except errors.GrokError as error:
        late.append(error)
        return None
