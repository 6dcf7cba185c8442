"""Results of a batch that are painted when somebody looks: the list of five hundred must not wait for five hundred.

Until then a name that begins with `PREFIX` stands where a blob's name will be. What is painted follows from the job
alone, so everybody who looks, whenever, gets the same bytes.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.sandbox.jobs import Job

if TYPE_CHECKING:
    from airflow_provider_grok.sandbox.backend import Backend

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS promises (name TEXT PRIMARY KEY, job_id TEXT, number INTEGER, found TEXT, blob TEXT)"
)
PREFIX = "promise-"


class Promises:
    """The pictures and films that are still to be painted."""

    def __init__(self, backend: Backend) -> None:
        """Open the table kept in the store."""
        self._backend = backend
        self._store = backend.store
        self._store.create(SCHEMA)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    async def paint(self, job: Job, found: list[dict[str, Any]], number: int = 0, *, at_once: bool = False) -> str:
        """Return the blob of a result, or the promise of one if it belongs to a batch.

        :param found: the sources, which are kept until the promise is.
        :param number: of the picture among those of the job.
        :param at_once: promise nothing: somebody needs the bytes now.
        """
        maker = self._backend.jobs.makers[job.kind]
        if job.batch_id is None:
            return await self._backend.in_thread(maker.paint, self._backend, job, found, number)
        if at_once:
            return await self._backend.in_back_thread(maker.paint, self._backend, job, found, number)
        name = f"{PREFIX}{job.id}-{number}"
        sql = "INSERT OR IGNORE INTO promises (name, job_id, number, found) VALUES (?, ?, ?, ?)"
        self._store.change(sql, name, job.id, number, json.dumps(found))
        return name

    async def keep(self, blob: str) -> str:
        """Return a blob that is there, painting it if it was only promised."""
        if not blob.startswith(PREFIX):
            return blob
        kept = self._kept(blob)
        return kept if kept is not None else await self._backend.in_thread(self.keep_now, blob)

    async def keep_many(self, blobs: Iterable[str]) -> bool:
        """Keep several promises and tell whether there were any."""
        promised = [blob for blob in blobs if blob.startswith(PREFIX)]
        await asyncio.gather(*map(self.keep, promised))
        return bool(promised)

    async def keep_all(self) -> None:
        """Keep every promise that a file shows."""
        await self.keep_many(self._in_files())

    def keep_all_now(self) -> None:
        """Do the same from a thread that is not the event loop's."""
        for name in self._in_files():
            self.keep_now(name)

    def keep_now(self, name: str) -> str:
        """Paint what was promised, once; slow, so it belongs in a thread."""
        with self._locks[name]:
            kept = self._kept(name)
            return kept if kept is not None else self._paint(name)

    def _kept(self, name: str) -> str | None:
        row = self._store.row("SELECT blob FROM promises WHERE name = ?", name)
        return None if row is None else row["blob"]

    def _in_files(self) -> list[str]:
        rows = self._store.rows("SELECT blob FROM files WHERE blob >= ? AND blob < 'promise.' AND deleted = 0", PREFIX)
        return [row["blob"] for row in rows]

    def _paint(self, name: str) -> str:
        promise = self._store.rows("SELECT * FROM promises WHERE name = ?", name)[0]
        job = Job.read(self._store.rows("SELECT * FROM jobs WHERE id = ?", promise["job_id"])[0])
        found = json.loads(promise["found"])
        blob = self._backend.jobs.makers[job.kind].paint(self._backend, job, found, promise["number"])
        self._store.change("UPDATE files SET blob = ?, bytes = ? WHERE blob = ?", blob, self.size(blob), name)
        self._store.change("UPDATE assets SET blob = ? WHERE blob = ?", blob, name)
        self._store.change("UPDATE promises SET blob = ? WHERE name = ?", blob, name)
        return blob

    def size(self, blob: str) -> int:
        """Return a blob's bytes; 1 stands for what is only promised, and nobody gets to see it."""
        return 1 if blob.startswith(PREFIX) else self._store.blob_path(blob).stat().st_size
