"""What an earlier try left of a batch: the batch itself, by id or by name, and what it will leave undone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_grok.api import batches, errors, files, outcomes
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.flows.batches.requests import Entry, entry_id
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import bearing
from airflow_provider_grok.flows.purchases.store import Record

#: Seconds between a lost answer and the first look for what it did.
SETTLING = 2.0
#: How a batch stands that will do no more work.
SPENT = ("cancelled", "expired", "failed")


class BatchReattachment:
    """Finds again what was bought before.

    :param reuse: how far an equal batch counts as the same purchase.
    :param recovery_wait: seconds to look for the batch of a lost answer.
    :param log: where to tell what is found.
    """

    def __init__(self, reuse: Reuse, recovery_wait: float, log: logging.Logger | Any) -> None:
        self.reuse, self.recovery_wait, self.log = reuse, recovery_wait, log

    def find(self, record: Record | None, token: str) -> Flow[batches.Batch | None]:
        """The batch of an earlier try; with `reuse="always"` also an equal one of any task.

        :param record: what is remembered of the purchase.
        :param token: the purchase's token.
        """
        if record and record.job_id and record.phase != "intended":
            self.log.info("Going back to batch %s of an earlier try.", record.job_id)
            try:
                return (yield from batches.get(record.job_id))
            except errors.NotFound:
                self.log.warning("Batch %s is unknown to the server; looking for its name.", record.job_id)
                return (yield from self.named(record.name))
        if record and record.phase == "intended":
            self.log.warning("An earlier try died while making a batch; looking for it by name, %s.", record.name)
            return (yield from self.lost(record)) or (yield from self.named(record.name))
        if self.reuse == "always":
            listed = yield from batches.listing()
            found = yield from self._best([one for one in listed if one.name.endswith(f".{token}")])
            if found:
                self.log.info("An equal batch was bought before (reuse='always'): taking %s.", found.batch_id)
            return found
        return None

    def named(self, name: str) -> Flow[batches.Batch | None]:
        """The batch of a name: the newest that still works, else the newest.

        :param name: the name.
        """
        return (yield from self._best((yield from batches.find(name))))

    def _best(self, found: Sequence[batches.Batch]) -> Flow[batches.Batch | None]:
        now: float = yield Now()
        working = [batch for batch in found if batch.status(now) not in SPENT]
        return next(iter([*working, *found]), None)

    def lost(self, record: Record) -> Flow[batches.Batch | None]:
        """The working batch of a lost answer, which may take a moment to show.

        A spent batch of the same name is an earlier one, which this purchase goes on from.

        :param record: its record.
        """
        end = record.at + self.recovery_wait
        while True:
            found = yield from self.named(record.name)
            now: float = yield Now()
            if found and found.status(now) not in SPENT:
                return found
            if now >= end:
                return None
            yield Sleep(min(SETTLING, end - now))

    def undone(
        self, requests: Sequence[Entry], batch: batches.Batch, *, known: bool, token: str
    ) -> Flow[tuple[list[Entry], bool]]:
        """What is still to be bought besides what a batch holds, and whether the batch itself can take it.

        :param requests: what was asked for.
        :param batch: the batch.
        :param known: whether it is this task's own; of another's, whose results may be long gone, files are asked for.
        :param token: the purchase's token.
        """
        now: float = yield Now()
        status = batch.status(now)
        works_on = status not in SPENT
        if status == "finished":
            # What failed in passing is to be bought again, and a batch takes no id twice.
            works_on = known and all((yield from self._ends(batch.batch_id)).values())
        over = SPENT if works_on else (*SPENT, "finished")
        done: set[str] = set()
        for one in (yield from batches.find(batch.name)) or [batch]:
            if one.status(now) in over:
                done |= {id for id, settled in (yield from self._ends(one.batch_id)).items() if settled}
        if not works_on and not known:
            stored: list[files.File] = yield from bearing(token)
            done &= {id for id in done if any(f".{id}." in file.filename for file in stored)}
        missing = [entry for entry in requests if entry_id(entry) not in done]
        if not works_on:
            self._tell(batch, status, len(requests) - len(missing), len(missing))
        return missing, works_on

    def _ends(self, batch_id: str) -> Flow[dict[str, bool]]:
        """Which requests have come to an end, and whether it is one that buying them again would not better."""
        found = yield from outcomes.listing(batch_id)
        return {one.id: one.error is None or one.error.permanent for one in found}

    def _tell(self, batch: batches.Batch, status: str, there: int, missing: int) -> None:
        words = f": {errors.clean(batch.cancel_by_xai_message)}" if batch.cancel_by_xai_message else ""
        self.log.warning(
            "Batch %s is %s%s. %d results are there; buying the other %d in a new batch of the same name.",
            *(batch.batch_id, status, words, there, missing),
        )
