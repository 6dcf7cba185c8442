"""Every charge, in order: the one place that bills."""

from __future__ import annotations

from typing import Any

from airflow_provider_grok.sandbox.clock import Clock
from airflow_provider_grok.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (seq INTEGER PRIMARY KEY, at REAL, endpoint TEXT, model TEXT, ticks INTEGER, id TEXT)
"""


class Ledger:
    """What a team would be billed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Open the ledger kept in the store."""
        self._store = store
        self._clock = clock
        store.create(SCHEMA)

    def charge(self, *, endpoint: str, model: str, ticks: int, id: str, at: float | None = None) -> None:
        """Write down a charge.

        :param endpoint: path that was asked, such as `/v1/images/edits`.
        :param model: model that served it, no alias.
        :param ticks: 1e-10 US dollars.
        :param id: request id of a deferred job or a batch request's id; else the answer's `x-request-id`.
        :param at: unix seconds; now by default.
        """
        moment = self._clock.now() if at is None else at
        self._store.insert("charges", at=moment, endpoint=endpoint, model=model, ticks=ticks, id=id)

    @property
    def charges(self) -> list[dict[str, Any]]:
        """All charges, oldest first."""
        return [
            dict(row) for row in self._store.rows("SELECT at, endpoint, model, ticks, id FROM charges ORDER BY seq")
        ]

    @property
    def total_ticks(self) -> int:
        """The sum, in 1e-10 US dollars."""
        return int(self._store.rows("SELECT coalesce(sum(ticks), 0) AS ticks FROM charges")[0]["ticks"])
