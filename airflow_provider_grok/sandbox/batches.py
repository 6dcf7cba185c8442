"""The Batch API: create, fill, watch, read results, cancel (docs.x.ai, Batch API).

A request of a batch is a job like any other, with the batch's id. The requests of one call end one after another,
spread over the time a batch takes, in an order of their own; the counters are those of the jobs, by the clock.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import JSONResponse, Response

from airflow_provider_grok.sandbox import files, visibility
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.batch_requests import AddRequests, Item, read_items, read_lines
from airflow_provider_grok.sandbox.batch_views import describe, metadata, result
from airflow_provider_grok.sandbox.bodies import Body, read
from airflow_provider_grok.sandbox.errors import Refusal, invalid, missing
from airflow_provider_grok.sandbox.ids import number_from
from airflow_provider_grok.sandbox.jobs import Job
from airflow_provider_grok.sandbox.rate_limits import BATCH_ADDITIONS, BATCH_CREATIONS, check_batch_rate
from airflow_provider_grok.sandbox.request_context import RequestContext, route

SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE, name TEXT, created_at REAL, expires_at REAL, loaded_at REAL,
    cancelled_at REAL, message TEXT, input_file_id TEXT
);
CREATE TABLE IF NOT EXISTS batch_requests (batch_id TEXT, name TEXT, PRIMARY KEY (batch_id, name)) WITHOUT ROWID
"""
DAY = 86_400.0  # seconds a batch may take
LOADING = 0.25  # share of the time of a batch that a JSONL file takes to load
LARGEST_PAGE = 1000


class CreateBatch(Body):
    """Body of batches."""

    name: str
    input_file_id: str | None = None


async def create(context: RequestContext) -> Response:
    """POST /v1/batches."""
    backend = context.backend
    body = read(CreateBatch, await context.body(), context)
    check_batch_rate(backend, "batch creations", *BATCH_CREATIONS)
    batch_id, now = f"batch_{backend.ids.uuid()}", backend.clock.now()
    loaded_at = now + (LOADING * backend.settings.batch_seconds if body.input_file_id else 0)
    items, message = await load(context, body.input_file_id)
    backend.store.insert(
        "batches",
        id=batch_id,
        name=body.name,
        created_at=now,
        expires_at=now + DAY,
        loaded_at=loaded_at,
        cancelled_at=loaded_at if message else None,
        message=message,
        input_file_id=body.input_file_id,
    )
    visibility.note(backend, context.script, batch_id, now)
    submit(context, find(backend, batch_id), items, loaded_at)
    return await answer(context, batch_id)


async def load(context: RequestContext, file_id: str | None) -> tuple[list[Item], str | None]:
    """Read the requests of a JSONL file, or why there are none; either shows only after the file has been loaded.

    :raises Refusal: 404 if there is no such file.
    """
    if file_id is None:
        return [], None
    row = await files.find_settled(context.backend, file_id)
    try:
        return read_lines(await context.backend.read(row["blob"]), context), None
    except Refusal as refusal:
        return [], f"JSONL file validation failed: {refusal.message}"


async def add(context: RequestContext) -> Response:
    """POST /v1/batches/{batch_id}/requests: all or none."""
    backend = context.backend
    batch = requested(context)
    body = read(AddRequests, await context.body(), context)
    now = backend.clock.now()
    check_open(batch, now)
    check_batch_rate(backend, "calls to add batch requests", *BATCH_ADDITIONS)
    rows = backend.store.rows("SELECT name FROM batch_requests WHERE batch_id = ?", batch["id"])
    submit(context, batch, read_items(body.batch_requests, context, {row["name"] for row in rows}), now)
    return JSONResponse({})


def check_open(batch: sqlite3.Row, now: float) -> None:
    """Refuse more requests for a batch that takes none.

    :raises Refusal: 400.
    """
    if batch["input_file_id"]:
        raise invalid("Requests cannot be added to a batch that was created from a file.")
    if batch["cancelled_at"] is not None:
        raise invalid("Requests cannot be added to a cancelled batch.")
    if now >= batch["expires_at"]:
        raise invalid("Requests cannot be added to an expired batch.")


def submit(context: RequestContext, batch: sqlite3.Row, items: list[Item], start: float) -> None:
    """Turn requests into jobs that end one after another, in an order of their own."""
    backend = context.backend
    ids = [backend.ids.uuid() for _ in items]
    ranks = {job_id: rank for rank, job_id in enumerate(sorted(ids, key=number_from), 1)}
    for job_id, item in zip(ids, items, strict=True):
        ready_at = start + backend.settings.batch_seconds * ranks[job_id] / len(items)
        job = job_of(context, batch, item, job_id, start, ready_at)
        name = job.request["batch_request_id"]
        backend.store.change("INSERT INTO batch_requests (batch_id, name) VALUES (?, ?)", batch["id"], name)
        backend.jobs.submit(job)
        visibility.note(backend, job.script, job.id, start, listed_from=ready_at)


def job_of(context: RequestContext, batch: sqlite3.Row, item: Item, job_id: str, start: float, ready_at: float) -> Job:
    """Return the job that does a request; one that would end after its batch fails with it."""
    request: dict[str, Any] = {
        "body": item.body,
        "base": context.base,
        "batch_request_id": item.name or job_id,
        "unstored": not context.backend.settings.batch_storage,
    }
    late = ready_at > batch["expires_at"]
    script = script_for(context.script, request["batch_request_id"])
    return Job(
        id=job_id,
        kind=item.kind,
        endpoint=item.endpoint,
        model=item.model,
        ticks=item.ticks,
        request=request,
        created_at=start,
        ready_at=batch["expires_at"] if late else ready_at,
        script={"fail": "deadline_exceeded"} if late else script,
        batch_id=batch["id"],
    )


def script_for(script: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a fault that was ordered for a call, if it means this request of it."""
    only = script.get("only")
    return script if only is None or any(part in name for part in only) else {}


def find(backend: Backend, batch_id: str) -> sqlite3.Row:
    """Return a batch.

    :raises Refusal: 404 if there is none.
    """
    row = backend.store.row("SELECT * FROM batches WHERE id = ?", batch_id)
    if row is None:
        raise missing("Batch not found")
    return row


def requested(context: RequestContext) -> sqlite3.Row:
    """Return the batch that a request names in its path.

    :raises Refusal: 404 if there is none, or a fault says so.
    """
    batch = find(context.backend, context.part("batch_id"))
    visibility.check_found(context, batch["id"], batch["created_at"], "Batch not found")
    return batch


async def answer(context: RequestContext, batch_id: str) -> Response:
    """Return a batch as it is now."""
    await context.backend.jobs.settle()
    batch = find(context.backend, batch_id)
    return JSONResponse(describe(context.backend, [batch])[0])


async def get(context: RequestContext) -> Response:
    """GET /v1/batches/{batch_id}."""
    return await answer(context, requested(context)["id"])


async def list_batches(context: RequestContext) -> Response:
    """GET /v1/batches, newest first."""
    backend = context.backend
    await backend.jobs.settle()
    shown, since = visibility.listed(context, "created_at")
    rows, token = page(context, f"SELECT * FROM batches WHERE {shown}", "batches", "seq", "DESC", *since)  # noqa: S608
    return JSONResponse({"batches": describe(backend, rows), "pagination_token": token})


async def cancel(context: RequestContext) -> Response:
    """POST /v1/batches/{batch_id}:cancel: what has not ended ends now; what has ended stays."""
    backend = context.backend
    await context.optional_body()
    batch = requested(context)
    await backend.jobs.settle()
    pending = backend.store.rows("SELECT id FROM jobs WHERE batch_id = ? AND state = 'pending'", batch["id"])
    backend.jobs.cancel([row["id"] for row in pending])
    sql = "UPDATE batches SET cancelled_at = coalesce(cancelled_at, ?) WHERE id = ?"
    backend.store.change(sql, backend.clock.now(), batch["id"])
    return await answer(context, batch["id"])


async def list_requests(context: RequestContext) -> Response:
    """GET /v1/batches/{batch_id}/requests."""
    rows, token = await page_of_jobs(context, "1", "seq", "created_at")
    return JSONResponse(
        {"batch_request_metadata": [metadata(Job.read(row)) for row in rows], "pagination_token": token}
    )


async def list_results(context: RequestContext) -> Response:
    """GET /v1/batches/{batch_id}/results, in the order in which they ended; they end with the batch."""
    backend = context.backend
    if backend.clock.now() >= requested(context)["expires_at"] + backend.settings.results_grace:
        raise missing("The batch has expired, and its results with it.")
    rows, token = await page_of_jobs(context, "state IN ('done', 'failed')", "ready_at, seq", "ready_at")
    results = [result(Job.read(row), backend, context.base) for row in rows]
    return JSONResponse({"results": results, "pagination_token": token})


async def page_of_jobs(
    context: RequestContext, where: str, order: str, created: str
) -> tuple[list[sqlite3.Row], str | None]:
    """Return a page of a batch's requests; while its file loads there are none.

    :param where: condition of those to show.
    :param order: columns to sort by.
    :param created: the column that says since when a request would be shown.
    """
    backend = context.backend
    batch = requested(context)
    await backend.jobs.settle()
    if backend.clock.now() < batch["loaded_at"]:
        return [], None
    shown, since = visibility.listed(context, created)
    sql = f"SELECT * FROM jobs WHERE {where} AND batch_id = ? AND {shown}"  # noqa: S608
    return page(context, sql, "jobs", order, "ASC", batch["id"], *since)


def page(
    context: RequestContext, sql: str, table: str, order: str, direction: str, *values: Any
) -> tuple[list[sqlite3.Row], str | None]:
    """Return one page and the token of the next; None with the last.

    :param sql: the query, up to its order.
    :param order: columns to sort by.
    :raises Refusal: 400 for a limit or token that makes no sense.
    """
    store, query = context.backend.store, context.request.query_params
    limit = files.read_limit(query.get("limit"), LARGEST_PAGE)
    token = query.get("pagination_token")
    if token:
        place = store.row(f"SELECT {order} FROM {table} WHERE id = ?", token)  # noqa: S608
        if place is None:
            raise invalid(f"Invalid pagination_token: {token!r}.")
        sql += f" AND ({order}) {'>' if direction == 'ASC' else '<'} ({', '.join('?' * len(place))})"
        values = (*values, *place)
    ordering = ", ".join(f"{column} {direction}" for column in order.split(", "))
    rows = store.rows(f"{sql} ORDER BY {ordering} LIMIT ?", *values, limit + 1)
    return rows[:limit], rows[limit - 1]["id"] if len(rows) > limit else None


ROUTES = [
    route("POST", "/v1/batches", create),
    route("GET", "/v1/batches", list_batches),
    route("POST", "/v1/batches/{batch_id}:cancel", cancel),
    route("GET", "/v1/batches/{batch_id}", get),
    route("POST", "/v1/batches/{batch_id}/requests", add),
    route("GET", "/v1/batches/{batch_id}/requests", list_requests),
    route("GET", "/v1/batches/{batch_id}/results", list_results),
]
