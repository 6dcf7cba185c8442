"""Buying a batch by the row: only what no earlier batch or stored file of the purchase holds is sent.

Every distinct list has a batch of its own, whose name carries the list's digest. A try can die between any two calls,
so a later one finds the batch by id or name, asks which requests it has, and adds the rest. Where a list's rows lie in
several places, a placement file says where (`placement.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import batch_requests, batches, errors, files, prices
from airflow_provider_grok.api.call import BlockingCall, Flow, Now
from airflow_provider_grok.api.kinds import kind_of_batch_request
from airflow_provider_grok.flows.batches.adding import RowAdder
from airflow_provider_grok.flows.batches.creation import BatchCreation
from airflow_provider_grok.flows.batches.placement import PlacedRow, write_placement
from airflow_provider_grok.flows.batches.reattach import SPENT, BatchReattachment, HeldRows
from airflow_provider_grok.flows.batches.record import (
    RECORD_KEY,
    BatchRecord,
    read_record,
    write_record,
)
from airflow_provider_grok.flows.batches.requests import BatchPurchaseRequest, Entry, entry_id, kind_and_body
from airflow_provider_grok.flows.batches.rows import (
    RowBatchName,
    RowIds,
    list_digest,
)
from airflow_provider_grok.flows.batches.scope import PurchaseScope
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import bearing
from airflow_provider_grok.flows.purchases.store import StateStore, TaskIdentity

#: Stores entries as an input file, and returns its id.
Storing = Callable[[Sequence[Entry]], Flow[str]]


@dataclass(frozen=True)
class SubmittedBatch:
    """A batch that stands for all requests of a list.

    :param batch: the batch.
    :param added: how many requests this try sent.
    """

    batch: batches.Batch
    added: int


class BatchPurchase:
    """The purchase of one list of requests, as a flow that goes on where the last try stopped.

    :param request: what is to be bought.
    :param task: who buys.
    :param reuse: how far an equal row counts as the same purchase.
    :param recovery_wait: seconds to look for a batch that bills by itself and whose creation has no answer; None: as
        the table of kinds says.
    :param account: fingerprint of the API key; empty: not compared.
    :param log: where to tell what happens.
    """

    record_key = RECORD_KEY

    def __init__(
        self,
        request: BatchPurchaseRequest,
        task: TaskIdentity,
        *,
        reuse: Reuse = "run",
        recovery_wait: float | None = None,
        account: str = "",
        log: logging.Logger | Any = None,
    ) -> None:
        self.request, self.task, self.reuse = request, task, reuse
        self.log = log or logging.getLogger(__name__)
        self.recovery_wait, self.account = recovery_wait, account
        self.batch: batches.Batch | None = None
        self.record: BatchRecord | None = None
        self.added = 0

    def place(self, store: Storing | None = None) -> Flow[SubmittedBatch]:
        """Find the batch where an earlier try left it, or make it; then add the requests that nothing holds yet.

        :param store: how entries are stored as an input file, for a file batch.
        :raises CostLimit: when it would cost more than the request's `max_cost`; nothing was sent.
        :raises JobFailed: when the server refused the batch as a whole.
        :raises ForeignAccount: when another API key made the batches and nothing of them can be seen.
        """
        before: BatchRecord | None = yield BlockingCall(lambda: read_record(self.task.store))
        listed: list[batches.Batch] = yield from batches.listing()
        scope = PurchaseScope(self.request, self.task, self.reuse, self.recovery_wait, self.log)
        if before is None and self.task.try_number > 1:
            listed = yield from scope.look_longer(listed)
        self.scheme, known = scope.choose(before, listed)
        self.entries = {self.scheme.wire_id(entry): entry for entry in self.request.requests}
        self.list_digest = list_digest(list(self.entries))
        self.record = record = scope.record(self.scheme, self.list_digest, before, known)
        if known and known.account not in ("", self.account or known.account):
            yield from self._check_account(known, listed)
        record.account = self.account or record.account
        self.creation = BatchCreation(
            self.scheme,
            record,
            self.list_digest,
            recovery_wait=self.recovery_wait,
            save=self._save,
            log=self.log,
        )
        if (yield from self.creation.settle_unknown(store is not None)):
            listed = yield from batches.listing()
        held = yield from self._held(listed, known)
        missing = [self._named(wire, entry) for wire, entry in self.entries.items() if wire not in held]
        if missing:
            yield from self._price(missing, held, from_file=store is not None)
        if store and missing:
            yield from self._submit_file(missing, store)
        else:
            yield from self._submit_rows(missing, held)
        yield from self._place_rows(held, missing)
        return (yield from self._done(record))

    def usage(self) -> dict[str, Any]:
        """The receipt's `usage`: what the list's own batch will cost, as far as there is one."""
        parts = self.record.parts if self.record and self.batch else []
        ticks = sum(part.ticks for part in parts if self.batch and part.batch_id == self.batch.batch_id)
        return {"cost_in_usd_ticks": ticks, "cost_usd": prices.usd(ticks), "estimated": self.batch is not None}

    def billed(self) -> dict[str, Any]:
        """The receipt's `billed`: all requests that this task instance sent over all its tries."""
        return (self.record or BatchRecord("")).billed()

    # -- what is there -------------------------------------------------------------------------------------------------

    def _check_account(self, known: BatchRecord, listed: Sequence[batches.Batch]) -> Flow[None]:
        """Stop where nothing can be seen of what another API key bought: it may be another team's."""
        made = known.batch_ids
        if all(part.batch_id for part in known.parts) and not made:
            return
        if {batch.batch_id for batch in listed} & set(made):
            return
        for batch_id in reversed(made):
            try:
                yield from batches.get(batch_id)
            except (errors.NotFound, errors.PermissionDenied):
                continue
            return
        if (yield from bearing(self.scheme.key)):
            return
        what = f"batch {made[-1]}" if made else "a batch whose creation had no answer"
        raise ForeignAccount(
            f"This task's purchase ({what}) was made with another API key, and nothing of it can be seen with the "
            "connection's present key, which may belong to another team. Nothing was bought, and the record is left "
            "alone. Give the connection a key of the team that paid, or use another task or run to buy anew."
        )

    def _held(self, listed: Sequence[batches.Batch], known: BatchRecord | None) -> Flow[HeldRows]:
        reattachment = BatchReattachment(
            self.scheme,
            self.entries,
            known,
            reuse=self.reuse,
            expires_after=self.request.expires_after,
            log=self.log,
        )
        now: float = yield Now()
        loading = [one for one in listed if self.scheme.may_hold_rows(one.name) and one.status(now) == "loading"]
        for batch in loading:
            # Which rows it holds shows when its file is loaded.
            self.batch = batch if self.scheme.is_own_list(batch.name) else self.batch
            yield from self.creation.loaded(batch)
        if loading:
            listed = yield from batches.listing()
        return (yield from reattachment.find(listed))

    def _named(self, wire: str, entry: Entry) -> Entry:
        """A request as it is sent: with its id on the wire, and the name under which its result is to be stored."""
        kind, body = kind_and_body(entry)
        if (facts := kind_of_batch_request(kind)) and "storage_options" not in body:
            name = self.scheme.filename(wire, facts.extension)
            after, link = self.request.expires_after, self.request.link
            options = files.storage_options(name, expires_after=after, public_url=link)
            body = {**body, "storage_options": options}
        return batch_requests.request(wire, kind, body)

    # -- what it may cost ----------------------------------------------------------------------------------------------

    def _price(self, missing: Sequence[Entry], held: HeldRows, *, from_file: bool) -> Flow[None]:
        asked: Sequence[Entry] = [entry for wire, entry in self.entries.items() if wire not in held]
        costs: list[int | None] = yield from self.request.appraise(asked)
        self.prices = dict(zip(self.entries, costs, strict=True))
        self._recount(held)
        limit = self.request.max_cost
        if limit is None:
            return
        costs = [self.prices[entry_id(entry)] for entry in missing]
        if None in costs:
            raise errors.CostLimit(
                f"max_cost_usd={prices.usd(limit)} is set, but no price is known for a model of this batch. Name "
                "models with known prices, or leave max_cost_usd out. Nothing was sent."
            )
        estimate = sum(cost or 0 for cost in costs)
        now: float = yield Now()
        target = None if from_file else self._target(missing, held, now)
        spent = self._ready.ticks - min(estimate, self._noted(target, held))
        if spent + estimate > limit:
            before = f" after {prices.usd(spent):.4f} USD before" if spent else ""
            raise errors.CostLimit(
                f"{len(missing)} requests would cost about {prices.usd(estimate):.4f} USD{before}, more than "
                f"max_cost_usd={prices.usd(limit)}. Raise the limit to {prices.usd(spent + estimate):.4f} or more, "
                "or ask for less. Nothing was sent."
            )

    def _listed(self, batch_id: str, held: HeldRows) -> list[str]:
        """What a batch of this list holds as far as it is listed, where one part of the record tells of it alone."""
        parts = [part for part in self._ready.parts if part.batch_id == batch_id]
        alone = all(part.list_digest == self.list_digest for part in parts)
        return held.present.get(batch_id, []) if alone else []

    def _recount(self, held: HeldRows) -> None:
        """Raise what the record says of a batch that holds more; a short list may lag, and takes nothing off."""
        for part in self._ready.parts:
            listed = self._listed(part.batch_id or "", held)
            part.count = max(part.count, len(listed))
            part.ticks = max(part.ticks, self._ticks(listed))

    def _ticks(self, wire_ids: Iterable[str]) -> int:
        return sum(self.prices.get(wire) or 0 for wire in wire_ids)

    def _noted(self, target: batches.Batch | None, held: HeldRows) -> int:
        """Ticks of what was noted for a batch and is not listed there: it may be sent again, and is paid for once."""
        own = [part for part in self._ready.parts if target and part.batch_id == target.batch_id]
        return sum(max(0, part.ticks - self._ticks(self._listed(part.batch_id or "", held))) for part in own[-1:])

    # -- making the batch ----------------------------------------------------------------------------------------------

    def _submit_rows(self, missing: Sequence[Entry], held: HeldRows) -> Flow[None]:
        now: float = yield Now()
        target = self._target(missing, held, now)
        if target is None:
            target = yield from self.creation.make(None, len(missing))
        self.batch = target
        record = self._known(target)
        if not missing:
            return
        part = record.part_of(self.list_digest, target.batch_id)
        part.at = part.at or record.at
        adder = RowAdder(
            target.batch_id,
            record,
            part,
            self.prices,
            there=self._listed(target.batch_id, held),
            write=self._save,
            log=self.log,
        )
        try:
            yield from adder.add_all(missing)
        finally:
            self.added = adder.added
        held.present[target.batch_id] = adder.present

    def _target(self, missing: Sequence[Entry], held: HeldRows, now: float) -> batches.Batch | None:
        """The list's own batch, if it can take what is missing; where nothing is, any of its batches will do."""
        own = [batch for batch in reversed(held.batches) if self.scheme.is_own_list(batch.name)]
        last = self._ready.job_id
        own.sort(
            key=lambda batch: (
                batch.status(now) in SPENT,
                batch.batch_id != last,
                not held.present.get(batch.batch_id),
            )
        )
        if not missing:
            return own[0] if own else None
        for batch in own:
            taken = set(held.present.get(batch.batch_id, ()))
            is_over = batch.status(now) in SPENT or batch.batch_id in held.ended
            is_open = not is_over and not batch.input_file_id
            # A batch takes no id twice: what failed in it has to go into another one of the same name.
            if is_open and self.scheme.is_fillable(batch.name) and not taken & {entry_id(one) for one in missing}:
                return batch
        return None

    def _submit_file(self, missing: Sequence[Entry], store: Storing) -> Flow[None]:
        input_file_id = yield from store(missing)
        self.batch = yield from self.creation.make(
            input_file_id, len(missing), [self.prices[entry_id(entry)] for entry in missing]
        )
        self._known(self.batch)
        yield from self._write()
        self.added = len(missing)
        self.batch = yield from self.creation.loaded(self.batch)

    def _known(self, batch: batches.Batch) -> BatchRecord:
        """Note a batch's id in the record, and that its unknown creation is known now."""
        record = self._ready
        record.phase, record.job_id, record.name = "submitted", batch.batch_id, batch.name
        for part in record.parts:
            if part.batch_id is None and part.list_digest == self.list_digest:
                part.batch_id = batch.batch_id
        return record

    # -- the end -------------------------------------------------------------------------------------------------------

    def _place_rows(self, held: HeldRows, missing: Sequence[Entry]) -> Flow[None]:
        """Say where the rows lie, unless the list's own batch holds them all in order."""
        if not isinstance(self.scheme, RowIds) or self.batch is None:
            return
        own = self.batch.batch_id
        if missing and not held.present.get(own):
            held.present[own] = yield from batches.request_order(own)
        sent = {entry_id(entry) for entry in missing}
        elsewhere = any(held.in_batch.get(wire) != own for wire in self.entries if wire not in sent)
        if held.present.get(own) == list(self.entries) and not elsewhere:
            return
        rows = [
            PlacedRow(
                entry_id(entry),
                wire,
                own if wire in sent else held.in_batch.get(wire),
                tuple(held.in_files.get(wire, ())),
            )
            for wire, entry in self.entries.items()
        ]
        name = RowBatchName.parse(self.batch.name) or self.scheme.name
        yield from write_placement(name, rows)
        places = len({row.batch_id for row in rows if row.batch_id})
        self.log.info("The %d rows of this list lie in %d batches; batch %s stands for all.", len(rows), places, own)

    def _done(self, record: BatchRecord) -> Flow[SubmittedBatch]:
        if self.batch is None:
            raise AssertionError("a list has its batch by now")
        record.phase, record.job_id, record.max_tries = "done", self.batch.batch_id, self.task.max_tries
        yield from self._write()
        return SubmittedBatch(self.batch, self.added)

    def _write(self) -> Flow[None]:
        yield BlockingCall(lambda: self._save(self._ready))

    def _save(self, record: BatchRecord) -> None:
        write_record(self.task.store, record)

    @property
    def _ready(self) -> BatchRecord:
        if self.record is None:
            raise AssertionError("place() comes first")
        return self.record


def has_begun(store: StateStore) -> bool:
    """Whether requests were sent that have not come to nothing.

    :param store: the task state store.
    """
    record = read_record(store)
    return record is not None and record.phase != "failed"


class ForeignAccount(errors.GrokError):
    """The batches of this task were made with a key of another account; with the right key another try goes on."""
