"""The Files API: upload, list, metadata, content, delete (docs.x.ai, Files API)."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from starlette.responses import JSONResponse, Response

from airflow_provider_grok.sandbox import visibility
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import Refusal, invalid, missing
from airflow_provider_grok.sandbox.filters import compile_filter
from airflow_provider_grok.sandbox.request_context import RequestContext, route
from airflow_provider_grok.sandbox.uploads import Upload

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY, id TEXT UNIQUE, filename TEXT, bytes INTEGER, content_type TEXT, purpose TEXT, blob TEXT,
    created_at INTEGER, expires_at INTEGER, origin TEXT, deleted INTEGER DEFAULT 0,
    public_path TEXT, public_until INTEGER
);
CREATE INDEX IF NOT EXISTS files_order ON files (created_at, seq);
CREATE INDEX IF NOT EXISTS files_blob ON files (blob);
CREATE INDEX IF NOT EXISTS files_public ON files (public_path)
"""
ALIVE = "deleted = 0 AND (expires_at IS NULL OR expires_at > ?)"
SORT_COLUMNS = {"created_at": "created_at", "filename": "filename", "size": "bytes"}
LARGEST_PAGE = 100


def add(
    backend: Backend,
    *,
    filename: str,
    content_type: str,
    blob: str,
    size: int,
    at: float,
    expires_after: int | None = None,
    purpose: str = "",
    origin: dict[str, Any] | None = None,
) -> str:
    """Store a file and return its id.

    :param at: when it was made, unix seconds.
    :param expires_after: its life in seconds; None for no end.
    :param origin: what it was made from, for the gallery.
    """
    file_id = f"file_{backend.ids.uuid()}"
    end = None if expires_after is None else int(at) + expires_after
    backend.store.insert(
        "files",
        id=file_id,
        filename=filename,
        bytes=size,
        content_type=content_type,
        purpose=purpose,
        blob=blob,
        created_at=int(at),
        expires_at=end,
        origin=json.dumps(origin or {}),
    )
    return file_id


def find(backend: Backend, file_id: str, at: float | None = None) -> sqlite3.Row:
    """Return a file that lives.

    :param at: the moment meant, unix seconds; now by default.
    :raises Refusal: 404 if it is unknown, deleted or expired.
    """
    moment = backend.clock.now() if at is None else at
    row = backend.store.row(f"SELECT * FROM files WHERE id = ? AND {ALIVE}", file_id, moment)  # noqa: S608
    if row is None:
        raise missing(f"File {file_id} not found.")
    return row


async def find_settled(backend: Backend, file_id: str) -> sqlite3.Row:
    """Return a living file, also one that a job has just finished.

    :raises Refusal: 404 if it is unknown, deleted or expired.
    """
    try:
        row = find(backend, file_id)
    except Refusal:
        await backend.jobs.settle()
        row = find(backend, file_id)
    visibility.check_appeared(backend, file_id, f"File {file_id} not found.")
    if await backend.lazy_media.resolve_many([row["blob"]]):
        row = find(backend, file_id)
    return row


async def requested(context: RequestContext) -> sqlite3.Row:
    """Return the living file that a request names in its path.

    :raises Refusal: 404 if it is unknown, deleted or expired, or a fault says so.
    """
    file_id = context.part("file_id")
    row = await find_settled(context.backend, file_id)
    visibility.check_found(context, file_id, row["created_at"], f"File {file_id} not found.")
    return row


def describe(row: sqlite3.Row, now: float) -> dict[str, Any]:
    """Return a file as the API shows it; links still without scheme and host."""
    shown: dict[str, Any] = {
        "id": row["id"],
        "object": "file",
        "bytes": row["bytes"],
        "created_at": row["created_at"],
        "filename": row["filename"],
        "purpose": row["purpose"],
    }
    if row["expires_at"] is not None:
        shown["expires_at"] = row["expires_at"]
    if row["public_path"] and (row["public_until"] is None or row["public_until"] > now):
        shown["public_url"] = row["public_path"]
        if row["public_until"] is not None:
            shown["public_url_expires_at"] = row["public_until"]
    return shown


def answer(context: RequestContext, row: sqlite3.Row) -> dict[str, Any]:
    """Return a file as this client sees it."""
    shown = describe(row, context.backend.clock.now())
    if "public_url" in shown:
        shown["public_url"] = f"{context.base}{shown['public_url']}"
    return shown


async def upload(context: RequestContext) -> Response:
    """POST /v1/files."""
    backend = context.backend
    target = backend.store.uploads / context.request_id
    form = Upload(target)
    try:
        await form.read(context.request)
        context.note_unknown(form.unknown)
        blob = backend.store.adopt_blob(target, form.digest.hexdigest())
    finally:
        form.close()
        target.unlink(missing_ok=True)
    file_id = add(
        backend,
        filename=form.filename or "",
        content_type=form.content_type,
        blob=blob,
        size=form.size,
        at=backend.clock.now(),
        expires_after=form.expires_after,
        purpose=form.fields.get("purpose", ""),
    )
    visibility.note(backend, context.script, file_id, backend.clock.now())
    return JSONResponse(answer(context, find(backend, file_id)))


async def list_files(context: RequestContext) -> Response:
    """GET /v1/files."""
    backend, query = context.backend, context.request.query_params
    await backend.jobs.settle()
    limit = read_limit(query.get("limit"), LARGEST_PAGE)
    order = choose("order", query.get("order") or "desc", ("asc", "desc"))
    column = SORT_COLUMNS[choose("sort_by", query.get("sort_by") or "created_at", tuple(SORT_COLUMNS))]
    now = backend.clock.now()
    shown, since = visibility.listed(context, "created_at")
    where, values = f"{ALIVE} AND {shown}", [now, *since]
    if query.get("filter"):
        condition, bound = compile_filter(query["filter"], now)
        where, values = f"{where} AND ({condition})", [*values, *bound]
    token = query.get("pagination_token") or query.get("after")
    if token:
        place = position(backend, token)
        where = f"{where} AND ({column}, seq) {'>' if order == 'asc' else '<'} (?, ?)"
        values = [*values, place[column], place["seq"]]
    if column == "bytes" or "bytes" in where:
        await backend.lazy_media.resolve_all()
    sql = f"SELECT * FROM files WHERE {where} ORDER BY {column} {order}, seq {order} LIMIT ?"  # noqa: S608
    rows = backend.store.rows(sql, *values, limit)
    if await backend.lazy_media.resolve_many(row["blob"] for row in rows):
        rows = backend.store.rows(sql, *values, limit)
    return JSONResponse(
        {
            "data": [answer(context, row) for row in rows],
            # With every page that holds files, the last one too: the id of the last file seen.
            "pagination_token": rows[-1]["id"] if rows else None,
        }
    )


def read_limit(text: str | None, largest: int) -> int:
    """Return the size of a page.

    :param text: as in the query; None or nothing for the default of 100.
    :param largest: more than this is cut to it.
    :raises Refusal: 400 if it is no number or less than 1.
    """
    if not text:
        return 100
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise invalid(f"limit must be between 1 and {largest}, got {text!r}.")
    return min(int(text), largest)


def choose(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return a query's value if it is one of a few.

    :raises Refusal: 400 naming the value and the choices.
    """
    if value not in choices:
        raise invalid(f"{name} must be one of {', '.join(choices)}, got {value!r}.")
    return value


def position(backend: Backend, token: str) -> sqlite3.Row:
    """Return the row after which a page begins, even if its file has been deleted since.

    :raises Refusal: 400 if there never was such a file.
    """
    row = backend.store.row("SELECT * FROM files WHERE id = ?", token)
    if row is None:
        raise invalid(f"Invalid pagination_token: {token!r}.")
    return row


async def metadata(context: RequestContext) -> Response:
    """GET /v1/files/{file_id}."""
    return JSONResponse(answer(context, await requested(context)))


async def content(context: RequestContext) -> Response:
    """GET /v1/files/{file_id}/content."""
    row = await requested(context)
    form = choose("format", context.request.query_params.get("format", "original"), ("original", "text"))
    if form == "text" and not row["content_type"].startswith(("text/", "application/json")):
        raise invalid(f"No text can be extracted from a file of type {row['content_type']}.")
    data = await context.backend.read(row["blob"])
    return Response(data, headers={"content-type": row["content_type"]})


async def delete(context: RequestContext) -> Response:
    """DELETE /v1/files/{file_id}."""
    row = await requested(context)
    sql = "UPDATE files SET deleted = 1, public_path = NULL WHERE id = ?"
    context.backend.store.change(sql, row["id"])
    context.backend.store.drop_blob(row["blob"])
    return JSONResponse({"id": row["id"], "object": "file", "deleted": True})


ROUTES = [
    route("POST", "/v1/files", upload),
    route("GET", "/v1/files", list_files),
    route("GET", "/v1/files/{file_id}", metadata),
    route("GET", "/v1/files/{file_id}/content", content),
    route("DELETE", "/v1/files/{file_id}", delete),
]
