"""Which purchase a task's batch is: its idempotency key, its names, and the record that belongs to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_grok.api import batches
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.batches.reattach import SETTLING, STAY
from airflow_provider_grok.flows.batches.record import BatchRecord, generation_of
from airflow_provider_grok.flows.batches.requests import BatchPurchaseRequest
from airflow_provider_grok.flows.batches.rows import (
    IdScheme,
    RowBatchName,
    RowIds,
    batch_key,
    check_lengths,
    key_of_first_release,
    list_digest,
    plain_ids,
    run_mark,
    wire_id,
)
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.store import TaskIdentity, default_stem


class PurchaseScope:
    """Says who buys what, so that it is found again.

    :param request: what is to be bought.
    :param task: who buys.
    :param reuse: how far an equal row counts as the same purchase.
    :param recovery_wait: seconds to look for what an earlier try made and did not write down; None: as the table of
        kinds says.
    :param log: where to tell what is found.
    """

    def __init__(
        self,
        request: BatchPurchaseRequest,
        task: TaskIdentity,
        reuse: Reuse,
        recovery_wait: float | None,
        log: logging.Logger | Any,
    ) -> None:
        self.request, self.task, self.reuse = request, task, reuse
        self.recovery_wait, self.log = recovery_wait, log
        self.stem = request.name or default_stem(task)
        self.generation = 0

    def look_longer(self, listed: list[batches.Batch]) -> Flow[list[batches.Batch]]:
        """A later try without a record: what an earlier one made, if it made anything, may not be listed yet.

        :param listed: the team's batches.
        """
        start: float = yield Now()
        wait = KINDS["batch"].recovery_wait if self.recovery_wait is None else self.recovery_wait
        while not any(self._may_be_ours(batch.name) for batch in listed):
            now: float = yield Now()
            if now >= start + min(wait, STAY):
                break
            yield Sleep(SETTLING)
            listed = yield from batches.listing()
        return listed

    def _may_be_ours(self, name: str) -> bool:
        keys = [batch_key(self.task, self.reuse, number, self.stem) for number in range(self.task.try_number)]
        found = RowBatchName.parse(name)
        old = key_of_first_release(self.task, self.reuse, 0, self.request.digest)
        return name.endswith(f".{old}") if found is None else found.key in keys

    def _generation(self, before: BatchRecord | None, listed: Sequence[batches.Batch]) -> int:
        """How often a person asked for it anew; without a record the names of earlier batches tell."""
        if before is not None or self.reuse != "attempt":
            return generation_of(before, self.task.max_tries, self.reuse)
        names = [RowBatchName.parse(batch.name) for batch in listed]
        for number in range(self.task.try_number - 1, -1, -1):
            key = batch_key(self.task, self.reuse, number, self.stem)
            if any(name and name.key == key for name in names):
                anew = self.task.cleared_on_success
                words = "buying anew" if anew else "going on with it; to buy anew, change the name"
                self.log.warning("Nothing is remembered of this task, and a batch of it is there: %s.", words)
                return number + anew
        return 0

    def choose(
        self, before: BatchRecord | None, listed: Sequence[batches.Batch]
    ) -> tuple[IdScheme, BatchRecord | None]:
        """How the purchase is named, and the record if it is the same one: what 0.1.0 began keeps its plain ids.

        :param before: what is remembered of this task.
        :param listed: the team's batches.
        """
        self.generation = generation = self._generation(before, listed)
        old_key = key_of_first_release(self.task, self.reuse, generation, self.request.digest)
        if before and before.token == old_key:
            return plain_ids(old_key, before.name), before
        for batch in listed if before is None else ():
            if batch.name.endswith(f".{old_key}"):
                return plain_ids(old_key, batch.name), None
        check_lengths(self.request.requests)
        key = batch_key(self.task, self.reuse, generation, self.stem)
        digest = list_digest([wire_id(entry) for entry in self.request.requests])
        name = RowBatchName(self.stem, digest, run_mark(self.task.dag_id, self.task.run_id), key)
        if before and generation != before.generation:
            self.log.info("This task was cleared after it had finished, and reuse='attempt': buying anew.")
        return RowIds(name), before if before and before.token == key else None

    def record(
        self, scheme: IdScheme, digest: str, before: BatchRecord | None, known: BatchRecord | None
    ) -> BatchRecord:
        """The record to go on with, or a new one that carries what was paid before.

        :param scheme: how the purchase is named.
        :param digest: digest of the list.
        :param before: what is remembered of this task.
        :param known: the same, if it is the same purchase.
        """
        if known and (known.list_digest == digest or not isinstance(scheme, RowIds)):
            known.list_digest = digest
            return known
        if before and before.list_digest != digest:
            self.log.warning(
                "The requests differ from those of batch %s: a batch of its own is made for this list, and only rows "
                "that no batch of this purchase holds are bought.",
                before.job_id,
            )
        fresh = BatchRecord(
            token=scheme.key,
            generation=self.generation,
            max_tries=self.task.max_tries,
            name=scheme.batch_name,
            list_digest=digest,
        )
        if before:
            # What was paid before counts against the cap, whatever it was paid for.
            fresh.spent, fresh.parts = before.spent, before.parts
        return fresh
