"""Work that ends later: deferred images, videos, the requests of a batch.

A job is made ahead of time, in the background, and published when the clock passes its end: only then do its files
and links exist. Nothing runs on a timer; whoever reads settles what is due.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_grok.sandbox.errors import Refusal

if TYPE_CHECKING:
    from airflow_provider_grok.sandbox.backend import Backend

log = logging.getLogger(__name__)

# Whether we are inside the making of a job. It looks for its sources, which would settle what is due, itself included.
inside: ContextVar[bool] = ContextVar("inside", default=False)

# Forms of the fault `moderate` in which nothing of the result is given out.
WITHHELD = (True, "failed", "legacy")
INTERNAL_ERROR: dict[str, Any] = {"error": {"code": "internal_error", "message": "Internal error."}}
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, endpoint TEXT, model TEXT, ticks INTEGER, request TEXT,
    script TEXT, created_at REAL, ready_at REAL, batch_id TEXT, state TEXT, made TEXT, result TEXT
);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (state, ready_at);
CREATE INDEX IF NOT EXISTS jobs_batch ON jobs (batch_id)
"""


@dataclass
class Job:
    """One piece of work.

    :param id: the request id; of a batch's request, an id of our own.
    :param kind: whose maker does it, such as `image`.
    :param endpoint: path that was asked.
    :param model: model that serves it, no alias.
    :param ticks: what it costs, in 1e-10 US dollars.
    :param request: what the maker needs, as JSON.
    :param script: the fault action of its request, if any.
    :param state: `pending`, `done`, `failed` or `cancelled`.
    :param made: what the maker made, as JSON, or an `error`.
    :param result: what the poll shows once the job has ended.
    """

    id: str
    kind: str
    endpoint: str
    model: str
    ticks: int
    request: dict[str, Any]
    created_at: float
    ready_at: float
    script: dict[str, Any] = field(default_factory=dict)
    batch_id: str | None = None
    state: str = "pending"
    made: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    @classmethod
    def read(cls, row: sqlite3.Row) -> Job:
        """Return the job in a row."""
        texts = {name: json.loads(row[name] or "null") for name in ("request", "script", "made", "result")}
        return cls(**{key: row[key] for key in row.keys() if key not in ("seq", *texts)}, **texts)  # noqa: SIM118

    def progress(self, now: float) -> int:
        """Return how far it is, 0 to 99 while it runs and 100 at its end."""
        if self.state != "pending":
            return 100
        share = (now - self.created_at) / max(self.ready_at - self.created_at, 1e-9)
        return min(99, max(0, int(share * 100)))


class Maker(Protocol):
    """How one kind of job is done: the slow part, then the quick part that everybody sees."""

    async def make(self, backend: Backend, job: Job) -> dict[str, Any]:
        """Make the pictures or the film, as blobs; may take long, changes nothing that shows.

        :raises Refusal: when the job fails.
        """

    def render(self, backend: Backend, job: Job, found: list[dict[str, Any]], number: int) -> str:
        """Make one picture or film from its sources and return its blob; slow, so it belongs in a thread."""

    def publish(self, backend: Backend, job: Job) -> dict[str, Any]:
        """Store files and links at `job.ready_at` and return the result; must be quick."""


class Jobs:
    """The table of jobs and the background work on them. All methods belong on the event loop."""

    def __init__(self, backend: Backend) -> None:
        """Open the table kept in the store."""
        self._backend = backend
        self._store = backend.store
        self._store.create(SCHEMA)
        self.makers: dict[str, Maker] = {}
        self._making: dict[str, asyncio.Task[dict[str, Any]]] = {}

    def submit(self, job: Job) -> None:
        """Accept a job and begin to make it."""
        columns = {name: value for name, value in vars(job).items() if value is not None}
        self._store.insert("jobs", **columns)
        self._begin(job)

    def resume(self) -> None:
        """Go on with what a restart interrupted."""
        for row in self._store.rows("SELECT * FROM jobs WHERE state = 'pending' ORDER BY seq"):
            self._begin(Job.read(row))

    def find(self, job_id: str, kind: str) -> Job | None:
        """Return a job by id, as it was when last settled."""
        row = self._store.row("SELECT * FROM jobs WHERE id = ? AND kind = ?", job_id, kind)
        return Job.read(row) if row else None

    async def settle(self, job_id: str | None = None) -> None:
        """End what is due by the clock; from inside a job, nothing: two jobs would wait for each other.

        :param job_id: only this job; all by default.
        """
        if inside.get():
            return
        sql = "SELECT * FROM jobs WHERE state = 'pending' AND ready_at <= ?"
        more, values = (" AND id = ?", [job_id]) if job_id else ("", [])
        due = [
            Job.read(row)
            for row in self._store.rows(f"{sql}{more} ORDER BY ready_at, seq", self._backend.clock.now(), *values)
        ]
        for job in due:
            await self._end(job)

    async def _end(self, job: Job) -> None:
        making = self._begin(job)
        await asyncio.wait([making])
        if making.cancelled() or not self._store.row("SELECT 1 FROM jobs WHERE id = ? AND state = 'pending'", job.id):
            return
        job.made = making.result()
        result = job.made if "error" in job.made else self._publish(job)
        self._store.change(
            "UPDATE jobs SET state = ?, result = ? WHERE id = ?",
            "failed" if "error" in result else "done",
            json.dumps(result),
            job.id,
        )
        self._making.pop(job.id, None)
        if job.batch_id is not None:
            self._charge(job, result)

    def _publish(self, job: Job) -> dict[str, Any]:
        try:
            return self.makers[job.kind].publish(self._backend, job)
        except Exception:
            # One job among many must not fail the request that settles them.
            log.exception("publishing job %s failed", job.id)
            return INTERNAL_ERROR

    def _charge(self, job: Job, result: dict[str, Any]) -> None:
        """Bill a request of a batch, which is done when it ends; a single one is billed when it is accepted."""
        ticks = result.get("usage", {}).get("cost_in_usd_ticks", 0)
        name = job.request["batch_request_id"]
        if ticks:
            self._backend.ledger.charge(endpoint=job.endpoint, model=job.model, ticks=ticks, id=name, at=job.ready_at)

    def _begin(self, job: Job) -> asyncio.Task[dict[str, Any]]:
        if job.id not in self._making:
            self._making[job.id] = asyncio.get_running_loop().create_task(self._make(job))
        return self._making[job.id]

    async def _make(self, job: Job) -> dict[str, Any]:
        inside.set(True)  # in this task's own context
        if job.made is None:
            job.made = scripted_failure(job) or await self._attempt(job)
            self._store.change("UPDATE jobs SET made = ? WHERE id = ?", json.dumps(job.made), job.id)
        return job.made

    async def _attempt(self, job: Job) -> dict[str, Any]:
        try:
            return await self.makers[job.kind].make(self._backend, job)
        except Refusal as refusal:
            return {"error": refusal.job_error()}
        except Exception:
            log.exception("making job %s failed", job.id)
            return INTERNAL_ERROR

    def cancel(self, job_ids: list[str]) -> None:
        """Take jobs back that have not ended."""
        for job_id in job_ids:
            self._store.change("UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state = 'pending'", job_id)
            making = self._making.pop(job_id, None)
            if making:
                making.cancel()

    def stop(self) -> None:
        """Drop all background work; the table stays."""
        for making in self._making.values():
            making.cancel()
        self._making.clear()


def scripted_failure(job: Job) -> dict[str, Any] | None:
    """Return the failure that a fault has ordered for a job (docs.x.ai, Video generation, errors).

    A moderated job was generated, and so it is billed; one that failed inside is not.
    """
    if "fail" in job.script:
        return {"error": {"code": job.script["fail"], "message": "The job failed: a fault was ordered."}}
    if job.script.get("moderate") in WITHHELD:
        error = {"code": "invalid_argument", "message": "Rejected by content moderation."}
        return {"error": error, "usage": {"cost_in_usd_ticks": job.ticks}}
    return None
