"""Results that have ended with their batch: its requests are still listed, and its results answer 404."""

from __future__ import annotations

from airflow_provider_grok.api import batches, errors, outcomes
from airflow_provider_grok.api.call import Flow, Now, Sleep

#: Seconds between two looks at results that are a 404, and for how long it is looked.
SETTLING, STAY = 2.0, 60.0


def results_ended(batch_id: str) -> Flow[bool]:
    """Whether results that were just a 404 have ended with their batch; a passing 404 is looked through for a minute.

    :param batch_id: the batch.
    :raises NotFound: where the batch itself is not found: that says nothing of its results.
    """
    start: float = yield Now()
    batch = yield from batches.get(batch_id)
    if not batch.may_have_ended(start):
        return False
    now = start
    while now < start + STAY:
        yield Sleep(SETTLING)
        try:
            yield from outcomes.page(batch_id, limit=1)
        except errors.NotFound:
            now = yield Now()
        else:
            return False
    return True
