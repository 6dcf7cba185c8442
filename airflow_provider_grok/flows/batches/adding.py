"""Adding requests to a batch: in chunks, checked against the batch's own count, until it has them all or says why not.

The server takes every id once, so what may have arrived can be sent again after it was looked for: a "duplicate id"
means that it is there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from airflow_provider_grok.api import batch_requests, batches, errors
from airflow_provider_grok.api.call import BlockingCall, Flow, Now, Sleep
from airflow_provider_grok.flows.batches.reattach import SETTLING, STAY
from airflow_provider_grok.flows.batches.record import BatchRecord, SubmittedPart
from airflow_provider_grok.flows.batches.requests import Entry, entry_id

#: How often the requests that a batch lacks are sent at the most.
ROUNDS = 3


class RowAdder:
    """Adds requests to one batch.

    :param batch_id: the batch.
    :param record: the task's record, in which every chunk is noted before it is sent.
    :param part: the batch's entry in it.
    :param prices: estimate of each request in ticks, by its id on the wire; None: not known.
    :param there: ids on the wire of requests that it lists already.
    :param write: writes the record.
    :param log: where to tell what happens.
    """

    def __init__(
        self,
        batch_id: str,
        record: BatchRecord,
        part: SubmittedPart,
        prices: Mapping[str, int | None],
        *,
        there: Collection[str] = (),
        write: Callable[[BatchRecord], None],
        log: logging.Logger | Any,
    ) -> None:
        self.batch_id, self.record, self.part, self.prices = batch_id, record, part, prices
        self.write, self.log = write, log
        self.added = 0
        # An earlier try noted these; a list that is short does not prove that they never arrived.
        self.there, self.before = set(there), (part.count, part.ticks)
        self.sent: set[str] = set()
        self.present: list[str] = []
        self._lost: errors.GrokError | None = None

    def add_all(self, entries: Sequence[Entry]) -> Flow[None]:
        """Add requests, and see that the batch has them.

        :param entries: the requests, with their ids on the wire.
        :raises JobFailed: when the server refuses some of them; the batch is cancelled then.
        :raises GrokError: when it does not have all of them; a retry goes on.
        """
        lacking: Sequence[Entry] = entries
        for round in range(1, ROUNDS + 1):
            self._lost = None
            for chunk in batch_requests.chunks(lacking):
                yield from self._send(chunk)
                self.log.info("Sent %d of %d requests.", len(self.sent), len(entries))
            lacking = yield from self._lacking(entries)
            self.added = len(self.sent) - sum(entry_id(entry) in self.sent for entry in lacking)
            if not lacking:
                return
            if round < ROUNDS:
                self.log.warning("Batch %s lacks %d requests; sending them again.", self.batch_id, len(lacking))
        if self._lost:
            raise self._lost
        raise errors.GrokError(
            f"Batch {self.batch_id} has {len(entries) - len(lacking)} of {len(entries)} requests, though all were sent "
            f"{ROUNDS} times; the first that it lacks is {entry_id(lacking[0])}. Another try of this task goes on."
        )

    def _send(self, chunk: Sequence[Entry], noted: Sequence[str] = ()) -> Flow[None]:
        start: float = yield Now()
        # Only what this sending noted may be taken back: what an earlier round sent may be there.
        new = [*noted, *(yield from self._note(chunk))]
        while True:
            try:
                yield from batches.add(self.batch_id, chunk)
                return
            except (errors.ResponseLost, errors.ServerUnavailable) as error:
                self.log.warning("%s Asking which requests arrived.", error)
                self._lost = error
                return
            except errors.NotFound as error:
                now: float = yield Now()
                if "batch" not in error.message.lower() or now >= start + STAY:
                    yield from self._refused(chunk, new, error)
                    return
                self.log.warning("Batch %s is not found yet: %s", self.batch_id, error.brief)
                yield Sleep(SETTLING)
            except (errors.InvalidArgument, errors.Moderated) as error:
                if error.status == 413 and len(chunk) > 1:
                    half = len(chunk) // 2
                    self.log.warning("%d requests are too much for one payload: sending halves.", len(chunk))
                    self._take_back(chunk, new)
                    yield from self._send(chunk[:half])
                    yield from self._send(chunk[half:])
                else:
                    yield from self._refused(chunk, new, error)
                return

    def _note(self, chunk: Sequence[Entry]) -> Flow[list[str]]:
        """Write down what is about to be sent for the first time and what it may cost; the answer is which."""
        new = [entry_id(entry) for entry in chunk if entry_id(entry) not in self.sent]
        if new:
            self.sent.update(new)
            self._count()
            yield BlockingCall(lambda: self.write(self.record))
        return new

    def _take_back(self, chunk: Sequence[Entry], noted: Sequence[str]) -> None:
        """Forget what was noted for a sending of a chunk that the server refused as a whole."""
        refused = [entry_id(entry) for entry in chunk if entry_id(entry) in noted]
        self.sent.difference_update(refused)
        self._count()

    def _count(self) -> None:
        """The batch takes an id once: it holds what it lists and what is sent, or what was noted, at the most."""
        held = self.there | self.sent
        prices = [self.prices.get(wire) for wire in held]
        count, ticks = self.before
        self.part.count = max(count, len(held))
        self.part.ticks = max(ticks, sum(price or 0 for price in prices))
        self.part.priced &= None not in prices

    def _refused(self, chunk: Sequence[Entry], noted: Sequence[str], error: errors.ApiError) -> Flow[None]:
        """Some of a chunk are there already, or the server takes none of it, so that the batch can never be whole."""
        duplicate = "duplicate" in error.message.lower()
        lacking = yield from self._lacking(chunk, expect_all=duplicate)
        if lacking and len(lacking) == len(chunk):
            if duplicate:
                raise errors.GrokError(
                    f"Batch {self.batch_id} says that it has requests of this list already ({error.brief}), and does "
                    "not list them yet. Another try looks again."
                ) from error
            self._take_back(chunk, noted)
            self.added = len(self.sent)
            raise (yield from self._abandon(error)) from error
        if lacking:
            yield from self._send(lacking, noted)

    def _lacking(self, entries: Sequence[Entry], *, expect_all: bool = False) -> Flow[list[Entry]]:
        """Which of some requests the batch has not; a list that may lag is read again for a minute.

        :param entries: the requests.
        :param expect_all: whether the server has said that they are there.
        """
        start: float = yield Now()
        while True:
            self.present, count = yield from self._look()
            there = set(self.present)
            lacking = [entry for entry in entries if entry_id(entry) not in there]
            now: float = yield Now()
            agrees = count is not None and count <= len(self.present) and not self._lost and not expect_all
            if not lacking or agrees or now >= start + STAY:
                return lacking
            yield Sleep(SETTLING)

    def _look(self) -> Flow[tuple[list[str], int | None]]:
        """What the server lists of the batch, and how many requests it counts; None where it does not say."""
        try:
            present = yield from batches.request_order(self.batch_id)
            batch = yield from batches.get(self.batch_id)
        except errors.NotFound:
            return [], None
        return present, batch.state.num_requests

    def _abandon(self, refused: errors.ApiError) -> Flow[errors.JobFailed]:
        """The server takes none of these requests, so the batch will never be whole: stop what was added before."""
        self.log.error("%s. Cancelling batch %s, which can never be whole.", refused.brief, self.batch_id)
        billed, done = None, "the batch, which could never be whole, is cancelled"
        try:
            state = (yield from batches.cancel(self.batch_id)).state
            billed = False if state.num_success + state.num_error == 0 else None
        except errors.GrokError as error:
            done = f"the batch could not be cancelled and runs on ({error.brief})"
        words = f"{refused.brief}; {self.added} requests had been added before, and {done}"
        return errors.JobFailed("batch", self.batch_id, refused.code or "invalid-argument", words, billed)
