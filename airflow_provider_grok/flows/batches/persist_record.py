"""What a persisting task remembers over its tries: which rows it has, and where they are."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

from airflow_provider_grok.api import wire
from airflow_provider_grok.flows.batches.manifest import Row
from airflow_provider_grok.flows.batches.record import VERSION, check_version, damaged
from airflow_provider_grok.flows.purchases.chunks import ChunkWriter, read_chunks
from airflow_provider_grok.flows.purchases.store import StateStore

#: The key in the task state store, as in 0.1.0; rows are in `<key>.0` and so on.
RECORD_KEY = "grok.persist"
#: Rows in one entry of the task state store, as release 0.1.0 wrote them.
FIRST_RELEASE_CHUNK = 100


class PersistRecord:
    """Rows that were kept, in the task state store; a new one where another batch or destination was kept before.

    :param store: the task state store.
    :param batch_id: the batch.
    :param destination: folder in an object storage; None: xAI Files.
    :raises GrokError: permanent, for a record of a newer release or a damaged one.
    """

    def __init__(self, store: StateStore, batch_id: str, destination: str | None) -> None:
        self.store, self.where = store, [batch_id, destination]
        self.chunks = ChunkWriter(store, RECORD_KEY)
        self.rows: dict[str, Row] = {}
        self.on_links = self.finished = False
        self.started_at = wire.REAL_CLOCK.now()
        head = store.get(RECORD_KEY)
        if head is not None:
            check_version(head, RECORD_KEY)
        if head is None or head.get("where") != self.where:
            store.set(RECORD_KEY, self._head(0, finished=False))
            return
        try:
            count = head["chunks"] if "version" in head else math.ceil(head["rows"] / FIRST_RELEASE_CHUNK)
            rows = [Row.of(row) for row in read_chunks(store, RECORD_KEY, count)]
            self.started_at = float(head["started_at"])
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise damaged(RECORD_KEY, error) from error
        self.rows = {row.batch_request_id: row for row in rows}
        self.on_links, self.finished = head.get("on_links", True), head.get("finished", False)

    def save(self, *, finished: bool = False) -> None:
        """Write the rows that are new since the last time; at the end all of them.

        :param finished: whether everything is kept, so that a later try is a person's who cleared the task.
        """
        new = islice(self.rows.values(), 0 if finished else self.chunks.written, None)
        write = self.chunks.rewrite if finished else self.chunks.append
        count = write(compact(row.as_json()) for row in new)
        self.store.set(RECORD_KEY, self._head(count, finished=finished))

    def _head(self, chunks: int, *, finished: bool) -> dict[str, Any]:
        return {
            "version": VERSION,
            "where": self.where,
            "started_at": self.started_at,
            "rows": len(self.rows),
            "chunks": chunks,
            "on_links": self.on_links,
            "finished": finished,
        }


def compact(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what it does not say: a store entry should stay small.

    :param row: the row as JSON data.
    """
    files = [{name: value for name, value in one.items() if value is not None} for one in row["files"]]
    return {name: value for name, value in row.items() if value is not None} | {"files": files}
