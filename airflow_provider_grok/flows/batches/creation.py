"""Making a batch, finding again one whose creation had no answer, and watching a file batch until it is loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_grok.api import batches, errors, polling
from airflow_provider_grok.api.call import BlockingCall, Flow, Now, Sleep
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.flows.batches.reattach import SETTLING, SPENT, STAY
from airflow_provider_grok.flows.batches.record import BatchRecord, SubmittedPart
from airflow_provider_grok.flows.batches.rows import IdScheme, RowBatchName, RowIds

#: Seconds that the server may take to load an input file.
LOADING = 1800.0


class BatchCreation:
    """Makes the batches of one purchase.

    :param scheme: how they are named.
    :param record: the task's record.
    :param digest: digest of the list.
    :param recovery_wait: seconds to look for a batch that bills by itself and whose creation has no answer; None: as
        the table of kinds says.
    :param save: writes the record.
    :param log: where to tell what happens.
    """

    def __init__(
        self,
        scheme: IdScheme,
        record: BatchRecord,
        digest: str,
        *,
        recovery_wait: float | None,
        save: Callable[[BatchRecord], None],
        log: logging.Logger | Any,
    ) -> None:
        self.scheme, self.record, self.list_digest = scheme, record, digest
        self.recovery_wait, self.save, self.log = recovery_wait, save, log

    def make(self, input_file_id: str | None, count: int, costs: Sequence[int | None] = ()) -> Flow[batches.Batch]:
        """Make a batch; one that is made of a file begins to bill by itself, so its estimate is noted before.

        :param input_file_id: the file of its requests; None: an empty batch.
        :param count: how many requests it is to hold.
        :param costs: what each request of the file costs in ticks.
        """
        record = self.record
        record.phase, record.job_id, record.at = "intended", None, (yield Now())
        if costs:
            ticks = sum(cost or 0 for cost in costs)
            record.parts.append(
                SubmittedPart(self.list_digest, None, record.at, len(costs), ticks, priced=None not in costs)
            )
        yield from self._write()
        try:
            batch = yield from batches.create(record.name, input_file_id)
        except (errors.ResponseLost, errors.ServerUnavailable) as error:
            self.log.warning("%s Looking for the batch by name, %s.", error, record.name)
            found = yield from self._find_lost(self.list_digest, record.at, bool(costs))
            batch = found or (yield from batches.create(record.name, input_file_id))
        except errors.GrokError:
            record.phase = "failed"
            record.parts = [part for part in record.parts if part.batch_id]
            yield from self._write()
            raise
        self.log.info("Made batch %s (%s) for %d requests.", batch.batch_id, record.name, count)
        return batch

    def settle_unknown(self, from_file: bool) -> Flow[bool]:
        """Look for batches whose creation had no answer in an earlier try; says whether there were any.

        :param from_file: whether this list is sent as a file.
        """
        record = self.record
        unknown = [part for part in record.parts if part.batch_id is None]
        for part in unknown:
            found = yield from self._find_lost(part.list_digest, part.at, True)
            if found:
                part.batch_id = found.batch_id
            else:
                # Nothing shows that it was made, and nothing shows that it was not: it counts, and is made again.
                record.parts.remove(part)
                record.spent += part.ticks
        if unknown or record.phase != "intended" or not record.at:
            return bool(unknown)
        yield from self._find_lost(self.list_digest, record.at, from_file)
        return True

    def _find_lost(self, digest: str, at: float, bills: bool) -> Flow[batches.Batch | None]:
        """Look for the batch of a creation that had no answer.

        An empty batch costs nothing and is soon made again; one that is made of a file bills by itself.

        :param digest: digest of the list that it was made for.
        :param at: unix seconds of the creation.
        :param bills: whether it was made of a file.
        :raises GrokError: while it may still appear; a retry goes on looking.
        """
        facts, start = KINDS["batch"], (yield Now())
        usual = facts.recovery_wait if bills else facts.usual
        end = at + (usual if self.recovery_wait is None else self.recovery_wait)
        while True:
            listed = yield from batches.listing()
            now: float = yield Now()
            for batch in listed:
                is_new = batch.batch_id not in self.record.batch_ids and batch.status(now) not in SPENT
                if is_new and self._was_made_for(digest, batch.name):
                    return batch
            if now >= end:
                return None
            if now >= start + STAY:
                raise errors.GrokError(
                    f"A batch of this task may have been made: its creation had no answer, and it is not listed after "
                    f"{now - at:.0f} s. It would bill by itself, so no other is made for {end - now:.0f} s more; "
                    "another try of this task goes on looking."
                )
            yield Sleep(min(SETTLING, end - now))

    def _was_made_for(self, digest: str, name: str) -> bool:
        found = RowBatchName.parse(name)
        if found is None or not isinstance(self.scheme, RowIds):
            return self.scheme.is_fillable(name)
        return (found.key, found.run, found.list_digest) == (self.scheme.key, self.scheme.name.run, digest)

    def loaded(self, batch: batches.Batch) -> Flow[batches.Batch]:
        """Watch a file batch until the server has loaded it: one bad line would cancel it as a whole.

        :param batch: the batch.
        :raises JobFailed: for a batch that the server refused as a whole.
        """
        start: float = yield Now()
        now = start
        while now - start < LOADING:
            if batch.cancel_by_xai_message:
                yield from self._refused_as_a_whole(batch)
            if batch.state.num_requests or batch.cancel_time:
                return batch
            yield Sleep(polling.interval("batch", now - start))
            try:
                batch = yield from batches.get(batch.batch_id)
            except errors.NotFound as gone:
                if now - start >= STAY:
                    raise errors.GrokError(f"{gone.brief}, though it was made. Another try looks again.") from gone
            now = yield Now()
        raise errors.JobTimeout(
            f"Batch {batch.batch_id} was not loaded {LOADING:.0f} s after it was made. It may still load; another try "
            "of this task goes on watching it."
        )

    def _refused_as_a_whole(self, batch: batches.Batch) -> Flow[None]:
        for part in self.record.parts:
            if part.batch_id == batch.batch_id:
                part.ticks = 0
        yield from self._write()
        words = errors.clean(batch.cancel_by_xai_message or "")
        raise errors.JobFailed("batch", batch.batch_id, "invalid-argument", words, False)

    def _write(self) -> Flow[None]:
        yield BlockingCall(lambda: self.save(self.record))
