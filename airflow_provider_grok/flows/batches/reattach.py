"""Where the rows of a purchase lie already: in which of its batches, or in which stored files.

A row is held by a batch that waits for it, has made it, or has refused it for good; what failed in passing, or was
cancelled, is to be bought again. Nothing is concluded from a list that is shorter than its batch's own count.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_grok.api import batches, errors, files, outcomes
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.batches.expiry import results_ended
from airflow_provider_grok.flows.batches.record import BatchRecord
from airflow_provider_grok.flows.batches.requests import Entry, kind_and_body
from airflow_provider_grok.flows.batches.rows import IdScheme, RowIds, mark_in, row_mark
from airflow_provider_grok.flows.files.result_store import lives_long_enough
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import bearing

#: Seconds between two polls of a list that lags.
SETTLING = 2.0
#: Seconds that one try spends on a list that lags; then it fails retryably, and the next try goes on.
STAY = 60.0
#: How a batch stands that will do no more work.
SPENT = ("cancelled", "expired", "failed")


@dataclass
class HeldRows:
    """What is there already of a list.

    :param batches: the purchase's batches, oldest first.
    :param in_batch: the batch that holds a row, by its id on the wire.
    :param in_files: the stored files of a row that no batch holds.
    :param present: all ids on the wire in each batch, in the batch's own order.
    :param ended: batches whose results have ended, though a bare date leaves them some hours more.
    """

    batches: list[batches.Batch] = field(default_factory=list)
    in_batch: dict[str, str] = field(default_factory=dict)
    in_files: dict[str, list[str]] = field(default_factory=dict)
    present: dict[str, list[str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def __contains__(self, wire_id: object) -> bool:
        return wire_id in self.in_batch or wire_id in self.in_files


class BatchReattachment:
    """Finds again what was bought before.

    :param scheme: how the purchase's requests and batches are named.
    :param entries: the list's requests, by their ids on the wire.
    :param record: what this task instance remembers; None: nothing.
    :param reuse: how far an equal row counts as the same purchase.
    :param expires_after: life of the results in seconds; None: no end.
    :param log: where to tell what is found.
    """

    def __init__(
        self,
        scheme: IdScheme,
        entries: Mapping[str, Entry],
        record: BatchRecord | None,
        *,
        reuse: Reuse,
        expires_after: int | None,
        log: logging.Logger | Any,
    ) -> None:
        self.scheme, self.entries, self.record = scheme, entries, record
        self.reuse, self.expires_after, self.log = reuse, expires_after, log
        self.held = HeldRows()
        self._stored: dict[str, list[files.File]] | None = None

    def find(self, listed: Sequence[batches.Batch]) -> Flow[HeldRows]:
        """Find the rows.

        :param listed: the team's batches, newest first.
        :raises GrokError: while a list is shorter than its batch says; a retry looks again.
        """
        ours = [batch for batch in listed if self.scheme.may_hold_rows(batch.name)]
        ours += yield from self._unlisted({batch.batch_id for batch in ours})
        self.held.batches = list(reversed(ours))
        for batch in ours:
            yield from self._look_into(batch)
        if isinstance(self.scheme, RowIds) and any(wire not in self.held for wire in self.entries):
            yield from self._look_into_files()
        return self.held

    def _unlisted(self, listed: set[str]) -> Flow[list[batches.Batch]]:
        """Batches that this task instance made and that the list does not show."""
        found: list[batches.Batch] = []
        for batch_id in self.record.batch_ids if self.record else ():
            if batch_id not in listed:
                batch = yield from self._recorded(batch_id)
                found += [batch] if batch else []
        return found

    def _recorded(self, batch_id: str) -> Flow[batches.Batch | None]:
        start: float = yield Now()
        while True:
            try:
                return (yield from batches.get(batch_id))
            except errors.NotFound as gone:
                now: float = yield Now()
                if now > (self.record.at if self.record else 0.0) + KINDS["batch"].timeout:
                    self.log.warning("Batch %s of an earlier try is unknown to the server by now.", batch_id)
                    return None
                if now >= start + STAY:
                    raise errors.GrokError(
                        f"Batch {batch_id}, which this task made, is not found ({gone.brief}). What was given does not "
                        "vanish: nothing is bought beside it, and another try looks again."
                    ) from gone
                yield Sleep(SETTLING)

    # -- in batches ----------------------------------------------------------------------------------------------------

    def _look_into(self, batch: batches.Batch) -> Flow[None]:
        found = yield from whole_list(batch, self.log)
        self.held.present[batch.batch_id] = [one.batch_request_id for one in found]
        now: float = yield Now()
        status = batch.status(now)
        if status == "running" and batch.may_have_ended(now) and (yield from self._results(batch)) is None:
            self.held.ended.add(batch.batch_id)
            status = "expired"
        mine = [one for one in found if one.batch_request_id in self.entries]
        failed = {one.batch_request_id for one in mine if one.state == "failed"}
        settled = (yield from self._refused_for_good(batch, failed)) if failed and status != "running" else failed
        done = [one.batch_request_id for one in mine if one.state == "succeeded"]
        if self._is_foreign(batch):
            done = yield from self._with_results(batch, done)
        waiting = [one.batch_request_id for one in mine if one.state not in ("succeeded", "failed", "cancelled")]
        self._place(batch, [*done, *settled, *(waiting if status not in SPENT else ())])
        missing = len(mine) - len(done) - len(settled) - len(waiting)
        if status in SPENT and missing + len(waiting):
            self._tell(batch, status, len(done) + len(settled), missing + len(waiting))

    def _place(self, batch: batches.Batch, wire_ids: Sequence[str]) -> None:
        for wire in wire_ids:
            # Batches are gone through from the newest: what failed in an older one was bought again later.
            self.held.in_batch.setdefault(wire, batch.batch_id)

    def _is_foreign(self, batch: batches.Batch) -> bool:
        """Whether another task made it, whose results may be long gone: only under `always`."""
        return self.reuse == "always" and batch.batch_id not in (self.record.batch_ids if self.record else ())

    def _refused_for_good(self, batch: batches.Batch, failed: set[str]) -> Flow[set[str]]:
        """Those of some failed rows that buying again would not better; waits until all of them are told of."""
        start: float = yield Now()
        while True:
            results = yield from self._results(batch)
            if results is None:
                self.log.warning(
                    "Why %d requests of batch %s failed has ended with it: they are bought again.",
                    *(len(failed), batch.batch_id),
                )
                return set()
            found = {one.id: one for one in results if one.id in failed}
            now: float = yield Now()
            if len(found) == len(failed):
                return {id for id, one in found.items() if one.error is not None and one.error.permanent}
            if now >= start + STAY:
                raise errors.GrokError(
                    f"Batch {batch.batch_id} says that {len(failed)} requests failed, and the server tells of only "
                    f"{len(found)} why. The list lags; another try looks again. Nothing was sent."
                )
            yield Sleep(SETTLING)

    def _with_results(self, batch: batches.Batch, done: Sequence[str]) -> Flow[list[str]]:
        """Those of some finished rows whose results are still there."""
        stored = yield from self._files()
        unsure = {wire for wire in done if row_mark(wire) not in stored}
        gone: set[str] = set()
        if unsure:
            results = yield from self._results(batch)
            if results is None:
                gone = unsure
            for one in results or ():
                if one.id in unsure and (yield from self._is_gone(one)):
                    gone.add(one.id)
        return [wire for wire in done if wire not in gone]

    def _results(self, batch: batches.Batch) -> Flow[list[outcomes.Outcome] | None]:
        """A batch's results so far; None where they have ended with it."""
        try:
            return (yield from outcomes.listing(batch.batch_id))
        except errors.NotFound as absent:
            if (yield from results_ended(batch.batch_id)):
                return None
            raise errors.GrokError(
                f"The results of batch {batch.batch_id} are not found now ({absent.brief}). Another try looks again. "
                "Nothing was sent."
            ) from absent

    def _is_gone(self, outcome: outcomes.Outcome) -> Flow[bool]:
        """Whether a file that the server stored exists no longer; what lies on a link is not judged here."""
        assets: Sequence[Any] = outcome.images.data if outcome.images else [outcome.video] if outcome.video else []
        for asset in assets:
            if asset.file_output is None:
                continue
            try:
                yield from files.get(asset.file_output.file_id)
            except errors.NotFound:
                return True
        return False

    def _tell(self, batch: batches.Batch, status: str, there: int, missing: int) -> None:
        words = f": {errors.clean(batch.cancel_by_xai_message)}" if batch.cancel_by_xai_message else ""
        self.log.warning(
            "Batch %s is %s%s. %d of this list's results are there; the other %d are to be bought in another batch.",
            *(batch.batch_id, status, words, there, missing),
        )

    # -- in files ------------------------------------------------------------------------------------------------------

    def _files(self) -> Flow[dict[str, list[files.File]]]:
        if self._stored is None:
            self._stored = {}
            for file in (yield from bearing(self.scheme.key)):
                if mark := mark_in(file.filename, self.scheme.key):
                    self._stored.setdefault(mark, []).append(file)
        return self._stored

    def _look_into_files(self) -> Flow[None]:
        stored = yield from self._files()
        now: float = yield Now()
        for wire, entry in self.entries.items():
            found = stored.get(row_mark(wire), [])
            count = int(kind_and_body(entry)[1].get("n") or 1)
            alive = [file for file in found if lives_long_enough(file, self.expires_after, now)]
            if wire not in self.held and len(alive) >= count:
                self.held.in_files[wire] = [file.id for file in reversed(alive[:count])]
        if self.held.in_files:
            self.log.info("%d rows are stored in xAI Files already: not bought again.", len(self.held.in_files))


def whole_list(batch: batches.Batch, log: logging.Logger | Any) -> Flow[list[batches.Metadata]]:
    """All requests of a batch, in its own order; waits for a list that is shorter than the batch's count.

    :param batch: the batch.
    :param log: where to tell of a list that lags.
    :raises GrokError: when the list is still short after a minute; a retry looks again.
    """
    start: float = yield Now()
    while True:
        try:
            found = yield from batches.metadata(batch.batch_id)
        except errors.NotFound:
            found = []
        now: float = yield Now()
        if len(found) >= batch.state.num_requests:
            return found
        if now >= start + STAY:
            raise errors.GrokError(
                f"Batch {batch.batch_id} has {batch.state.num_requests} requests, and the server lists only "
                f"{len(found)} of them. The list lags; another try looks again. Nothing was sent."
            )
        log.info("Batch %s lists %d of %d requests yet.", batch.batch_id, len(found), batch.state.num_requests)
        yield Sleep(SETTLING)
