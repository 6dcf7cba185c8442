"""What a batch id stands for: which rows, in whose order, and in which batches and files they lie.

Everything that takes a `batch_id` acts on this: keeping results, waiting, cancelling. A batch that is not ours, or that
0.1.0 began, stands for itself, its ids verbatim.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_grok.api import batches, errors
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.batches.placement import PlacedRow, read_placement
from airflow_provider_grok.flows.batches.reattach import SPENT, whole_list
from airflow_provider_grok.flows.batches.rows import RowBatchName, list_digest, user_id
from airflow_provider_grok.flows.purchases.names import split_batch_name


@dataclass(frozen=True)
class BatchContents:
    """What a batch id stands for.

    :param batch: the batch of that id.
    :param batch_ids: the batches that hold its rows, oldest first, itself last; without itself where it is empty.
    :param name: its name, where ids are split; None: ids verbatim.
    :param rows: its rows in the user's order; None: whatever its batches hold.
    """

    batch: batches.Batch
    batch_ids: tuple[str, ...]
    name: RowBatchName | None = None
    rows: tuple[PlacedRow, ...] | None = None
    places: Mapping[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", {row.wire_id: row.batch_id for row in self.rows or ()})

    def user_id(self, wire_id: str) -> str:
        """The user's id of a request.

        :param wire_id: its id on the wire.
        """
        return user_id(wire_id) if self.name else wire_id

    def holds(self, batch_id: str, wire_id: str) -> bool:
        """Whether a request of a batch is one of these rows.

        :param batch_id: the batch.
        :param wire_id: the request's id on the wire.
        """
        return self.rows is None or self.places.get(wire_id) == batch_id

    def rows_in(self, batch_id: str) -> int | None:
        """How many rows a batch holds; None: all that it has.

        :param batch_id: the batch.
        """
        return None if self.rows is None else sum(place == batch_id for place in self.places.values())

    @property
    def stored(self) -> list[PlacedRow]:
        """Rows of which only the stored files are left."""
        return [row for row in self.rows or () if not row.batch_id]


def contents_of(batch_id: str, log: logging.Logger | Any) -> Flow[BatchContents]:
    """Find out what a batch id stands for.

    :param batch_id: the batch.
    :param log: where to tell of lists that lag.
    :raises NotFound: for a batch that does not exist.
    :raises GrokError: while it cannot be told; a retry asks again.
    """
    batch = yield from batches.get(batch_id)
    name = RowBatchName.parse(batch.name)
    if name is None:
        return (yield from _verbatim(batch))
    if batch.cancel_by_xai_message and not batch.state.num_requests:
        return BatchContents(batch, (batch.batch_id,), name, ())
    placed: list[PlacedRow] | None = None
    if batch.state.num_requests:
        listed = yield from whole_list(batch, log)
        wire_ids = [one.batch_request_id for one in listed]
        now: float = yield Now()
        if list_digest(wire_ids) == name.list_digest:
            # What came to nothing here may have been bought again in another batch since.
            came_to_nothing = any(one.state in ("failed", "cancelled") for one in listed)
            if came_to_nothing or batch.status(now) in SPENT:
                placed = yield from read_placement(name)
            rows = tuple(PlacedRow(user_id(wire), wire, batch.batch_id) for wire in wire_ids)
            if placed is None:
                return BatchContents(batch, (batch.batch_id,), name, rows)
    placed = placed or (yield from read_placement(name))
    if placed is not None:
        others = dict.fromkeys(row.batch_id for row in placed if row.batch_id)
        return BatchContents(batch, tuple(_last(others, batch.batch_id)), name, tuple(placed))
    raise errors.GrokError(
        f"Batch {batch.batch_id} has {batch.state.num_requests} requests, which are not the whole list that it stands "
        "for, and no file in xAI Files says yet where the others lie. Another try asks again. If this stays so, clear "
        "the task that submitted the batch: it goes on with the list, and pays for no row twice."
    )


def provisional(batch: batches.Batch) -> BatchContents:
    """What is known of a batch while it cannot be told what it stands for: its own requests.

    :param batch: the batch.
    """
    return BatchContents(batch, (batch.batch_id,), RowBatchName.parse(batch.name))


def counters(contents: BatchContents, states: Mapping[str, batches.Batch]) -> Flow[batches.State]:
    """Counters over the rows that a batch id stands for, whatever else their batches hold.

    :param contents: what it stands for.
    :param states: its batches, by id.
    """
    total = dict.fromkeys(("num_requests", "num_pending", "num_success", "num_error", "num_cancelled"), 0)
    kinds = {"succeeded": "num_success", "failed": "num_error", "cancelled": "num_cancelled"}
    for batch_id, batch in states.items():
        if contents.rows_in(batch_id) in (None, batch.state.num_requests):
            counts = batch.state.model_copy(update={"num_pending": batch.state.pending}).model_dump()
            for field_name in total:
                total[field_name] += counts[field_name]
            continue
        for one in (yield from batches.metadata(batch_id)):
            if contents.holds(batch_id, one.batch_request_id):
                total["num_requests"] += 1
                total[kinds.get(one.state, "num_pending")] += 1
    total["num_requests"] += len(contents.stored)
    total["num_success"] += len(contents.stored)
    return batches.State(**total)


def _verbatim(batch: batches.Batch) -> Flow[BatchContents]:
    stem, key = split_batch_name(batch.name, batch.batch_id)
    if batch.name != f"{stem}.{key}":
        return BatchContents(batch, (batch.batch_id,))
    # A retry of 0.1.0 went on from a batch that was cancelled in another one of the same name.
    named = yield from batches.find(batch.name)
    return BatchContents(batch, tuple(_last((one.batch_id for one in reversed(named)), batch.batch_id)))


def _last(batch_ids: Iterable[str], own: str) -> list[str]:
    """Ids without double ones, the batch's own last if it is among them."""
    found = list(dict.fromkeys(batch_ids))
    if own in found:
        found.remove(own)
        found.append(own)
    return found
