"""Results of a batch that are rendered when first read: the list of five hundred must not wait for five hundred.

Until then a name that begins with `PREFIX` stands where a blob's name will be. What is rendered follows from the job
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

# The names of table and prefix are those of data folders made by earlier versions.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS promises (name TEXT PRIMARY KEY, job_id TEXT, number INTEGER, found TEXT, blob TEXT)"
)
PREFIX = "promise-"


class LazyMedia:
    """The pictures and films that are still to be rendered."""

    def __init__(self, backend: Backend) -> None:
        """Open the table kept in the store."""
        self._backend = backend
        self._store = backend.store
        self._store.create(SCHEMA)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    async def render(self, job: Job, found: list[dict[str, Any]], number: int = 0, *, at_once: bool = False) -> str:
        """Return the blob of a result, or a placeholder for it if the result belongs to a batch.

        :param found: the sources, which are kept until the result is rendered.
        :param number: of the picture among those of the job.
        :param at_once: render now: somebody needs the bytes.
        """
        maker = self._backend.jobs.makers[job.kind]
        if job.batch_id is None:
            return await self._backend.in_thread(maker.render, self._backend, job, found, number)
        if at_once:
            return await self._backend.in_back_thread(maker.render, self._backend, job, found, number)
        name = f"{PREFIX}{job.id}-{number}"
        sql = "INSERT OR IGNORE INTO promises (name, job_id, number, found) VALUES (?, ?, ?, ?)"
        self._store.change(sql, name, job.id, number, json.dumps(found))
        return name

    async def resolve(self, blob: str) -> str:
        """Return the name of a blob that is there, rendering it if `blob` is a placeholder."""
        if not blob.startswith(PREFIX):
            return blob
        kept = self._resolved(blob)
        return kept if kept is not None else await self._backend.in_thread(self.resolve_now, blob)

    async def resolve_many(self, blobs: Iterable[str]) -> bool:
        """Render what several placeholders stand for, and tell whether there were any."""
        pending = [blob for blob in blobs if blob.startswith(PREFIX)]
        await asyncio.gather(*map(self.resolve, pending))
        return bool(pending)

    async def resolve_all(self) -> None:
        """Render everything that a file stands for."""
        await self.resolve_many(self._in_files())

    def resolve_all_now(self) -> None:
        """Do the same from a thread that is not the event loop's."""
        for name in self._in_files():
            self.resolve_now(name)

    def resolve_now(self, name: str) -> str:
        """Render what a placeholder stands for, once; slow, so it belongs in a thread."""
        with self._locks[name]:
            kept = self._resolved(name)
            return kept if kept is not None else self._render(name)

    def _resolved(self, name: str) -> str | None:
        row = self._store.row("SELECT blob FROM promises WHERE name = ?", name)
        return None if row is None else row["blob"]

    def _in_files(self) -> list[str]:
        rows = self._store.rows("SELECT blob FROM files WHERE blob >= ? AND blob < 'promise.' AND deleted = 0", PREFIX)
        return [row["blob"] for row in rows]

    def _render(self, name: str) -> str:
        row = self._store.rows("SELECT * FROM promises WHERE name = ?", name)[0]
        job = Job.read(self._store.rows("SELECT * FROM jobs WHERE id = ?", row["job_id"])[0])
        found = json.loads(row["found"])
        blob = self._backend.jobs.makers[job.kind].render(self._backend, job, found, row["number"])
        self._store.change("UPDATE files SET blob = ?, bytes = ? WHERE blob = ?", blob, self.size(blob), name)
        self._store.change("UPDATE assets SET blob = ? WHERE blob = ?", blob, name)
        self._store.change("UPDATE promises SET blob = ? WHERE name = ?", blob, name)
        return blob

    def size(self, blob: str) -> int:
        """Return a blob's bytes; 1 for a placeholder, which no answer shows."""
        return 1 if blob.startswith(PREFIX) else self._store.blob_path(blob).stat().st_size
