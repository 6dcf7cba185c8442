"""Buying a batch: made once, filled with what is missing, found again by its name after any accident.

A batch is bought in several calls, so a try can die between any two of them. Its name holds the purchase's token, and
its requests have stable ids: a later try finds the batch by id or name, asks which requests it has, and adds the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_grok.api import batch_requests, batches, errors, files, polling, prices
from airflow_provider_grok.api.call import BlockingCall, Flow, Now, Sleep
from airflow_provider_grok.api.kinds import KINDS, kind_of_batch_request
from airflow_provider_grok.flows.batches.reattach import SETTLING, BatchReattachment
from airflow_provider_grok.flows.batches.requests import BatchPurchaseRequest, Entry, entry_id, kind_and_body
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import batch_name, result_name
from airflow_provider_grok.flows.purchases.store import Record, TaskIdentity, default_stem

#: How often one chunk of requests is sent at the most.
ROUNDS = 3
#: Seconds that the server may take to load an input file.
LOADING = 1800.0

#: Stores entries as an input file, and returns its id.
Storing = Callable[[Sequence[Entry]], Flow[str]]


@dataclass(frozen=True)
class SubmittedBatch:
    """A batch that holds all its requests.

    :param batch: the batch.
    :param record: what is remembered of it.
    :param added: how many requests this try added.
    """

    batch: batches.Batch
    record: Record
    added: int


class BatchPurchase:
    """The purchase of one batch, as a flow that goes on where the last try stopped.

    :param order: what is to be bought.
    :param buyer: who buys.
    :param reuse: how far an equal batch counts as the same purchase.
    :param recovery_wait: seconds to look for the batch of a lost answer.
    :param log: where to tell what happens.
    """

    slot = "grok.batch"

    def __init__(
        self,
        order: BatchPurchaseRequest,
        buyer: TaskIdentity,
        *,
        reuse: Reuse = "run",
        recovery_wait: float | None = None,
        log: logging.Logger | Any = None,
    ) -> None:
        self.order, self.buyer, self.reuse = order, buyer, reuse
        self.log = log or logging.getLogger(__name__)
        usual = KINDS["batch"].usual
        self.reattachment = BatchReattachment(reuse, usual if recovery_wait is None else recovery_wait, self.log)
        self.digest = order.digest
        self.batch: batches.Batch | None = None
        self.record: Record | None = None
        self.added = 0

    def place(self, store: Storing | None = None) -> Flow[SubmittedBatch]:
        """Find the batch where an earlier try left it, or make it; then add the requests that it lacks.

        :param store: how entries are stored as an input file, for a file batch.
        :raises CostLimit: when it would cost more than the order's `max_cost`; nothing was sent.
        :raises JobFailed: when the server refused the batch as a whole.
        """
        record: Record | None = yield BlockingCall(lambda: self.buyer.read(self.slot))
        generation = self.buyer.generation(record, self.reuse)
        token = self.buyer.token(self.digest, self.reuse, generation)
        known = record if record and record.token == token else None
        if record and not known:
            self._say_why_new(record, generation)
        found = yield from self.reattachment.find(known, token)
        self.record = fresh = known or self._fresh(token, generation, record, found)
        wanted: Sequence[Entry] = self.order.requests
        if found:
            wanted, works_on = yield from self.reattachment.undone(wanted, found, known=known is not None, token=token)
            if not wanted or (works_on and fresh.phase == "done"):
                return (yield from self._done(fresh, found, 0))
            found = found if works_on else None
        self.batch = found
        entries = [self._named(entry, token) for entry in wanted]
        self.batch = found or (yield from self._make(fresh, entries, store))
        fresh.phase, fresh.job_id = "submitted", self.batch.batch_id
        yield from self._write(fresh)
        if self.batch.input_file_id or store:
            loaded = yield from self._loaded(self.batch)
            return (yield from self._done(fresh, loaded, 0 if found else len(entries)))
        added = yield from self._fill(self.batch, entries)
        return (yield from self._done(fresh, self.batch, added))

    def usage(self) -> dict[str, Any]:
        """The receipt's `usage`: what the batch will cost, as far as there is one."""
        ticks = (self.record.estimate or 0) if self.record and self.batch else 0
        return {"cost_in_usd_ticks": ticks, "cost_usd": prices.usd(ticks), "estimated": self.batch is not None}

    def _done(self, record: Record, batch: batches.Batch, added: int) -> Flow[SubmittedBatch]:
        self.batch = batch
        record.phase, record.job_id, record.max_tries = "done", batch.batch_id, self.buyer.max_tries
        yield from self._write(record)
        return SubmittedBatch(batch, record, added)

    def _say_why_new(self, record: Record, generation: int) -> None:
        if generation != record.generation:
            self.log.info("This task was cleared after it had finished, and reuse='attempt': buying anew.")
        else:
            self.log.warning("The requests differ from those of batch %s: this is a new purchase.", record.job_id)

    def _fresh(self, token: str, generation: int, before: Record | None, found: batches.Batch | None = None) -> Record:
        return Record(
            token=token,
            generation=generation,
            phase="intended",
            max_tries=self.buyer.max_tries,
            at=0.0,
            kind="batch",
            name=found.name if found else batch_name(self._stem(), token),
            spent=before.spent + (before.estimate or 0) if before and before.phase != "intended" else 0,
        )

    def _named(self, entry: Entry, token: str) -> Entry:
        """The entry with the name under which its result is to be stored."""
        kind, body = kind_and_body(entry)
        if not (facts := kind_of_batch_request(kind)) or "storage_options" in body:
            return entry
        name = result_name(self._stem(), entry_id(entry), token, facts.extension)
        options = files.storage_options(name, expires_after=self.order.expires_after, public_url=self.order.link)
        return batch_requests.request(entry_id(entry), kind, {**body, "storage_options": options})

    def _stem(self) -> str:
        return self.order.name or default_stem(self.buyer)

    # -- make and fill -------------------------------------------------------------------------------------------------

    def _make(self, record: Record, entries: Sequence[Entry], store: Storing | None) -> Flow[batches.Batch]:
        if record.job_id:
            # What an earlier batch of this purchase cost counts too; only what it lacks is bought now.
            record.spent += record.estimate or 0
        record.estimate = yield from replace(self.order, requests=entries).appraise()
        self._check_cost(record, len(entries))
        input_file_id = (yield from store(entries)) if store else None
        record.phase, record.at, record.job_id = "intended", (yield Now()), None
        yield from self._write(record)
        call = batches.create(record.name, input_file_id)
        try:
            batch = yield from call
        except (errors.ResponseLost, errors.ServerUnavailable) as error:
            self.log.warning("%s Looking for the batch by name, %s.", error, record.name)
            batch = (yield from self.reattachment.lost(record)) or (yield from call)
        except errors.GrokError:
            record.phase = "failed"
            yield from self._write(record)
            raise
        self.log.info("Made batch %s (%s) for %d requests.", batch.batch_id, record.name, len(entries))
        return batch

    def _check_cost(self, record: Record, count: int) -> None:
        limit, estimate = self.order.max_cost, record.estimate
        if limit is None:
            return
        if estimate is None:
            raise errors.CostLimit(
                f"max_cost_usd={prices.usd(limit)} is set, but no price is known for a model of this batch. Name "
                "models with known prices, or leave max_cost_usd out. Nothing was sent."
            )
        if record.spent + estimate > limit:
            before = f" after {prices.usd(record.spent):.4f} USD before" if record.spent else ""
            raise errors.CostLimit(
                f"{count} requests would cost about {prices.usd(estimate):.4f} USD{before}, more than "
                f"max_cost_usd={prices.usd(limit)}. Raise the limit, or ask for less. Nothing was sent."
            )

    def _fill(self, batch: batches.Batch, entries: Sequence[Entry]) -> Flow[int]:
        """Add the requests that the batch lacks, chunk by chunk."""
        present = (yield from batches.request_ids(batch.batch_id)) if batch.state.num_requests else set()
        missing = [entry for entry in entries if entry_id(entry) not in present]
        if present:
            self.log.info("Batch %s has %d of %d requests already.", batch.batch_id, len(present), len(entries))
        for chunk in batch_requests.chunks(missing):
            yield from self._add(batch.batch_id, chunk)
            self.added += len(chunk)
            self.log.info("Added %d of %d requests.", self.added, len(missing))
        return self.added

    def _add(self, batch_id: str, chunk: Sequence[Entry]) -> Flow[None]:
        for round in range(1, ROUNDS + 1):
            try:
                yield from batches.add(batch_id, chunk)
                return
            except (errors.ResponseLost, errors.ServerUnavailable) as error:
                if round == ROUNDS:
                    raise
                self.log.warning("%s Asking which requests arrived.", error)
                yield Sleep(SETTLING)
                chunk = yield from self._lacking(batch_id, chunk)
            except (errors.InvalidArgument, errors.NotFound, errors.Moderated) as refused:
                # Either some are there already, or the server takes none of them.
                lacking = yield from self._lacking(batch_id, chunk)
                if round == ROUNDS or len(lacking) == len(chunk):
                    raise (yield from self._abandon(batch_id, refused)) from refused
                chunk = lacking
            if not chunk:
                return

    def _lacking(self, batch_id: str, chunk: Sequence[Entry]) -> Flow[list[Entry]]:
        present = yield from batches.request_ids(batch_id)
        return [entry for entry in chunk if entry_id(entry) not in present]

    def _abandon(self, batch_id: str, refused: errors.ApiError) -> Flow[errors.JobFailed]:
        """The server takes none of these requests, so the batch will never be whole: stop what was added before."""
        self.log.error("%s. Cancelling batch %s, which can never be whole.", refused.brief, batch_id)
        billed, done = None, "the batch, which could never be whole, is cancelled"
        try:
            state = (yield from batches.cancel(batch_id)).state
            billed = False if state.num_success + state.num_error == 0 else None
        except errors.GrokError as error:
            done = f"the batch could not be cancelled and runs on ({error.brief})"
        words = f"{refused.brief}; {self.added} requests had been added before, and {done}"
        return errors.JobFailed("batch", batch_id, refused.code or "invalid-argument", words, billed)

    def _loaded(self, batch: batches.Batch) -> Flow[batches.Batch]:
        """Watch a file batch until the server has loaded it: one bad line would cancel it as a whole."""
        start: float = yield Now()
        now = start
        while now - start < LOADING:
            if batch.cancel_by_xai_message:
                raise errors.JobFailed(
                    "batch", batch.batch_id, "invalid-argument", errors.clean(batch.cancel_by_xai_message), False
                )
            if batch.state.num_requests or batch.cancel_time:
                return batch
            yield Sleep(polling.interval("batch", now - start))
            batch = yield from batches.get(batch.batch_id)
            now = yield Now()
        raise errors.JobTimeout(
            f"Batch {batch.batch_id} was not loaded {LOADING:.0f} s after it was made. It may still load; another try "
            "of this task goes on watching it."
        )

    def _write(self, record: Record) -> Flow[None]:
        yield BlockingCall(lambda: self.buyer.write(self.slot, record))
