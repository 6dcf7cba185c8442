"""One poll of all that a batch id stands for: how far its rows are, and which batches are still running."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import batches, errors, jobs
from airflow_provider_grok.api.batches import Batch, State
from airflow_provider_grok.api.call import Flow
from airflow_provider_grok.flows.batches.contents import contents_of, counters, provisional


@dataclass(frozen=True)
class BatchWatch:
    """What one poll showed.

    :param batch_id: the batch that was asked for.
    :param states: the batches that hold its rows, by id.
    :param pending: those that are still running.
    :param state: counters over its rows.
    """

    batch_id: str
    states: dict[str, Batch]
    pending: list[str]
    state: State

    def words(self, age: float) -> str:
        """Say how far it is, and how long it may still take.

        :param age: seconds since the waiting began.
        """
        share = self.state.ended / self.state.num_requests if self.state.num_requests else None
        note = self.state.note
        if len(self.states) == 1 and not self.state.num_requests and self.pending:
            note = "loading" if next(iter(self.states.values())).input_file_id else "empty"
        progress = jobs.Progress("pending" if self.pending else "done", note=note, done=share)
        return jobs.words(progress, age)


def watch_once(batch_id: str, log: logging.Logger | Any) -> Flow[BatchWatch]:
    """Poll all that a batch id stands for.

    :param batch_id: the batch.
    :param log: where to tell of lists that lag.
    :raises NotFound: for a batch that does not exist.
    """
    try:
        contents = yield from contents_of(batch_id, log)
    except errors.GrokError as error:
        if error.permanent:
            raise
        log.warning("It is not known yet what batch %s stands for: %s", batch_id, error)
        contents = provisional((yield from batches.get(batch_id)))
    found: dict[str, Batch] = {}
    pending: list[str] = []
    for one in contents.batch_ids:
        progress = yield from batches.poll(one)
        found[one] = progress.result
        if progress.state == "pending":
            pending.append(one)
    return BatchWatch(batch_id, found, pending, (yield from counters(contents, found)))
