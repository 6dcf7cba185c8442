"""Results that a batch has counted and not listed yet: which, in words."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow_provider_grok.api import batches, errors
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.batches.contents import BatchContents
from airflow_provider_grok.flows.batches.placement import PlacedRow


def missing_results(
    contents: BatchContents, states: Mapping[str, batches.Batch], known: Collection[str], log: logging.Logger | Any
) -> Flow[str]:
    """Which results the batches have counted and not listed, in words; empty where there are none.

    :param contents: what the batch id stands for.
    :param states: its batches, which are over, by id.
    :param known: users' ids of the requests whose results are there, kept or not.
    :param log: where to tell of lists that cannot be had.
    """
    now: float = yield Now()
    if contents.rows is None:
        total = sum(_expected(batch, now) for batch in states.values())
        count = max(0, total - len(known)) if len(states) == 1 else 0
        return f"{count} of {total} results are counted and not listed" if count else ""
    missing: list[str] = []
    for batch_id in dict.fromkeys(row.batch_id for row in contents.rows if row.id not in known):
        lacking = [row for row in contents.rows if row.batch_id == batch_id and row.id not in known]
        missing += yield from _with_an_end(states.get(batch_id or ""), lacking, now, log)
    named = f"{', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''}"
    total = len(contents.rows)
    return f"{len(missing)} of {total} results are counted and not listed ({named})" if missing else ""


def _with_an_end(
    batch: batches.Batch | None, lacking: Sequence[PlacedRow], now: float, log: logging.Logger | Any
) -> Flow[list[str]]:
    """Those of some rows without a result that must have one: not what was cancelled, or never made."""
    if batch and (batch.status(now) != "finished" or batch.state.num_cancelled):
        try:
            found = yield from batches.metadata(batch.batch_id)
        except errors.GrokError as error:
            log.warning("The requests of batch %s could not be listed: %s", batch.batch_id, error)
        else:
            ended = {one.batch_request_id for one in found if one.state in ("succeeded", "failed")}
            return [row.id for row in lacking if row.wire_id in ended]
    return [row.id for row in lacking]


def _expected(batch: batches.Batch, now: float) -> int:
    """How many results a batch that is over has to list."""
    state = batch.state
    if batch.status(now) == "finished":
        return state.num_requests - state.num_cancelled
    return state.num_success + state.num_error
