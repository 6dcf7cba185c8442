"""What an earlier try left of a purchase: its job, its files, or nothing; and files of an equal request elsewhere."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

from airflow_provider_grok.api import errors, files, jobs, polling
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.files.result_store import StoredResult, lives_long_enough
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import bearing
from airflow_provider_grok.flows.purchases.result import PurchaseRequest, PurchaseResult, PurchaseState
from airflow_provider_grok.flows.purchases.store import Record

#: Seconds by which the clocks of worker and server may differ.
CLOCK_SLACK = 600.0


class Reattachment:
    """Finds again what was bought before.

    :param order: what is to be bought.
    :param reuse: how far an equal request counts as the same purchase.
    :param max_tries: the buyer's: it differs from a record's when a person cleared the task since.
    :param recovery_wait: seconds to look for the result of a lost answer; None: as long as such a job usually takes.
    :param log: where to tell what is found.
    """

    def __init__(
        self,
        order: PurchaseRequest,
        reuse: Reuse,
        *,
        max_tries: int = 0,
        recovery_wait: float | None = None,
        log: logging.Logger | Any = None,
    ) -> None:
        self.order, self.reuse, self.max_tries = order, reuse, max_tries
        usual = KINDS[order.kind].recovery_wait
        self.recovery_wait = usual if recovery_wait is None else recovery_wait
        self.log = log or logging.getLogger(__name__)

    def standing(self, record: Record) -> Flow[PurchaseState | None]:
        """How a recorded purchase stands; None where nothing came of it, so that it is to be bought.

        :param record: its record.
        """
        by_phase: dict[str, Callable[[Record], Flow[PurchaseState | None]]] = {
            "done": self._done,
            "submitted": self._submitted,
            "intended": self._intended,
            "failed": self._failed,
        }
        recall = by_phase.get(record.phase)
        return (yield from recall(record)) if recall else None

    def _done(self, record: Record) -> Flow[PurchaseState | None]:
        result = record.result or {}
        alive: list[StoredResult] = []
        for row in (StoredResult(**row) for row in result.get("files", [])):
            if not row.file_id:
                alive.append(row)
                continue
            try:
                alive.append(StoredResult.of_file((yield from files.get(row.file_id))))
            except errors.NotFound:
                self.log.warning("File %s of the finished purchase is gone: buying anew.", row.file_id)
                return None
        anew = "change the request" if self.reuse == "always" else "set reuse='attempt' and clear the task"
        self.log.info("Bought before: taking the recorded files. To buy anew, delete the files, or %s.", anew)
        bought = PurchaseResult(
            alive, result.get("ticks", 0), result.get("estimated", False), record.job_id, reused=True
        )
        return PurchaseState(record, bought=bought, reused=True)

    def _submitted(self, record: Record) -> Flow[PurchaseState | None]:
        self.log.info("Going back to %s job %s, submitted by an earlier try.", record.kind, record.job_id)
        standing = PurchaseState(record)
        try:
            progress = yield from jobs.poll(standing.job)
        except errors.NotFound:
            return (yield from self._unknown(record))
        failure = None if progress.odd else progress.failure
        # What would only be refused, and may be billed, again is that job's end, and not bought a second time.
        if failure is None or failure.permanent:
            return dataclasses.replace(standing, progress=progress)
        self.log.warning("The earlier job came to nothing (%s): buying again.", failure)
        record.phase, record.spent = "failed", record.spent + (failure.ticks or 0)
        return None

    def _failed(self, record: Record) -> Flow[PurchaseState | None]:
        """A job that failed is looked at once more: what told of its end may not have been the API."""
        if not record.job_id or record.result:
            return None
        standing = PurchaseState(record)
        try:
            progress = yield from jobs.poll(standing.job)
        except errors.NotFound:
            return None
        if progress.state == "failed":
            return self._refused(record, progress)
        self.log.warning("%s job %s was said to have failed, and has not: taking it.", record.kind, record.job_id)
        return dataclasses.replace(standing, progress=progress)

    def _refused(self, record: Record, progress: jobs.Progress) -> PurchaseState | None:
        """What was refused and billed is not asked again by a mere retry; a person who clears the task may."""
        failure = progress.failure
        if not (failure and failure.permanent and failure.billed) or record.max_tries != self.max_tries:
            return None
        self.log.warning("An earlier try was refused, and billed: not asking again. Clear the task to ask anew.")
        # It is about to be counted once more.
        record.spent -= failure.ticks or 0
        return PurchaseState(record, progress=progress)

    def _unknown(self, record: Record) -> Flow[PurchaseState | None]:
        """The server knows the job no longer: its stored file is the proof that it was done."""
        found = yield from self.stored(record)
        if found is None:
            self.log.warning(
                "Job %s is unknown to the server and no stored file bears its name: it may have been billed. "
                "Buying again.",
                record.job_id,
            )
            return None
        return PurchaseState(record, adopted=found)

    def _intended(self, record: Record) -> Flow[PurchaseState | None]:
        self.log.warning("An earlier try died while sending; looking for its result, %s.", record.name)
        found = yield from self.lost(record)
        if found is None:
            self.log.warning("No stored file bears its name after %.0f s: buying.", self.recovery_wait)
            return None
        return PurchaseState(record, adopted=found)

    def lost(self, record: Record, since: float | None = None) -> Flow[list[files.File] | None]:
        """Look for the files of a purchase whose answer was lost, for as long as such a job usually takes.

        :param record: its record.
        :param since: unix seconds of the loss, which may come long after the request; None: of the request.
        """
        end = (record.at if since is None else since) + self.recovery_wait
        while True:
            found = yield from self.stored(record)
            now: float = yield Now()
            if found is not None or now >= end:
                return found
            yield Sleep(min(polling.interval(self.order.kind, now - record.at), end - now))

    def stored(self, record: Record) -> Flow[list[files.File] | None]:
        """The files that bear a purchase's name, in the order in which they were made; None unless all are there.

        :param record: its record.
        """
        found = yield from files.find(record.name, since=record.at - CLOCK_SLACK)
        if self.reuse == "always":
            # A file that was too old to be taken bears the same name as the one that is to replace it.
            found = [file for file in found if file.created_at >= record.at - CLOCK_SLACK]
        return self._whole(found)

    def elsewhere(self, record: Record) -> Flow[PurchaseState | None]:
        """The files of an equal request, whichever task asked and under whatever name: all bear its token.

        :param record: a new record for it.
        """
        # The server's search is fuzzy: a whole name it surely finds, a part of one perhaps.
        found = self._whole((yield from files.find(record.name)))
        if found is None:
            found = self._whole((yield from bearing(record.token)))
        now: float = yield Now()
        if found is None or not all(lives_long_enough(file, self.order.expires_after, now) for file in found):
            return None
        record.at, record.estimate = now, 0
        self.log.info(
            "An equal request was bought before (reuse='always'): taking %s. To buy anew, delete the files, or change "
            "the request.",
            ", ".join(file.filename for file in found),
        )
        return PurchaseState(record, adopted=found, reused=True)

    def _whole(self, found: list[files.File]) -> list[files.File] | None:
        """The newest result, oldest picture first; None unless all of it is there."""
        count = self.order.count
        return list(reversed(found[:count])) if len(found) >= count else None
