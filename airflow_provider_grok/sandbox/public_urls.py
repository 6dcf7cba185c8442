"""Public URLs of stored files: create, revoke, and the CDN that serves them (docs.x.ai, Files API, public URLs)."""

from __future__ import annotations

import sqlite3

from starlette.responses import JSONResponse, Response

from airflow_provider_grok.sandbox import files
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.bodies import Body, read
from airflow_provider_grok.sandbox.errors import Refusal, invalid, missing
from airflow_provider_grok.sandbox.filenames import extension
from airflow_provider_grok.sandbox.request_context import RequestContext, route
from airflow_provider_grok.sandbox.uploads import check_life

TYPES = ("image/png", "image/jpeg", "video/mp4", "application/pdf")
LARGEST = 50 * 1024 * 1024  # bytes
ACTIVE = "public_path IS NOT NULL AND (public_until IS NULL OR public_until > ?)"


class CreatePublicUrl(Body):
    """How long a public URL lives."""

    expires_after: int | None = None


def create(backend: Backend, file_id: str, expires_after: int | None, at: float) -> tuple[str, int | None]:
    """Make a file's public URL, or change the end of the one it has.

    :param expires_after: seconds; None for the file's own end.
    :param at: from when they count, unix seconds.
    :return: the link without scheme and host, and its end.
    :raises Refusal: 400 for a life, type or size that is not allowed, 404 for no such file, 429 if the quota is full.
    """
    row = files.find(backend, file_id, at)
    check_life("expires_after", expires_after)
    check_shareable(row)
    end = end_of_link(row, expires_after, at)
    active = is_active(row, at)
    if active and expires_after is None:
        return row["public_path"], row["public_until"]
    if not active:
        check_quota(backend, at)
    path = row["public_path"] if active else new_path(backend, row)
    backend.store.change("UPDATE files SET public_path = ?, public_until = ? WHERE id = ?", path, end, file_id)
    return path, end


def new_path(backend: Backend, row: sqlite3.Row) -> str:
    """Return a link that nobody can guess."""
    return f"/files-cdn/{backend.ids.token()}/{row['id']}{extension(row['filename'])}"


def is_active(row: sqlite3.Row, now: float) -> bool:
    """Tell whether a file has a living public URL."""
    return row["public_path"] is not None and (row["public_until"] is None or row["public_until"] > now)


def check_shareable(row: sqlite3.Row) -> None:
    """Refuse a type or size that has no public URL.

    :raises Refusal: 400.
    """
    if row["content_type"] not in TYPES:
        raise invalid(f"Public URLs are for {', '.join(TYPES)}; this file is {row['content_type']}.")
    if not 1 <= row["bytes"] <= LARGEST:
        raise invalid(f"Public URLs are for files of 1 to {LARGEST} bytes; this one has {row['bytes']}.")


def end_of_link(row: sqlite3.Row, expires_after: int | None, at: float) -> int | None:
    """Return when the link ends: after its own life or with the file.

    :raises Refusal: 400 if it would outlive the file.
    """
    file_end: int | None = row["expires_at"]
    if expires_after is None:
        return file_end
    end = int(at) + expires_after
    if file_end is not None and end > file_end:
        raise invalid(f"expires_after ({expires_after}) goes beyond the file's own end ({file_end}).")
    return end


def check_quota(backend: Backend, now: float) -> None:
    """Refuse one link too many.

    :raises Refusal: 429.
    """
    sql = f"SELECT count(*) AS n FROM files WHERE {files.ALIVE} AND {ACTIVE}"  # noqa: S608
    row = backend.store.row(sql, now, now)
    if row is not None and row["n"] >= backend.settings.link_quota:
        raise Refusal(
            429, f"Public URL quota exceeded: at most {backend.settings.link_quota} active public URLs per team."
        )


async def share(context: RequestContext) -> Response:
    """POST /v1/files/{file_id}/public-url."""
    backend = context.backend
    body = read(CreatePublicUrl, await context.optional_body(), context)
    row = await files.requested(context)
    if context.script.get("public_url_error"):
        raise Refusal(500, "Public URL creation failed.")
    path, end = create(backend, row["id"], body.expires_after, backend.clock.now())
    return JSONResponse({"public_url": f"{context.base}{path}"} | ({} if end is None else {"expires_at": end}))


async def revoke(context: RequestContext) -> Response:
    """POST /v1/files/{file_id}/public-url/revoke: always succeeds."""
    backend, file_id = context.backend, context.part("file_id")
    now = backend.clock.now()
    row = backend.store.row(f"SELECT * FROM files WHERE id = ? AND {files.ALIVE}", file_id, now)  # noqa: S608
    if row is None or not is_active(row, now):
        return JSONResponse({"id": file_id, "revoked": False})
    backend.store.change("UPDATE files SET public_path = NULL, public_until = NULL WHERE id = ?", file_id)
    return JSONResponse({"id": file_id, "revoked": True, "public_url": f"{context.base}{row['public_path']}"})


def find_public(backend: Backend, path: str) -> sqlite3.Row | None:
    """Return the file behind a living public link."""
    now = backend.clock.now()
    sql = f"SELECT * FROM files WHERE public_path = ? AND {files.ALIVE} AND {ACTIVE}"  # noqa: S608
    return backend.store.row(sql, path, now, now)


async def serve(context: RequestContext) -> Response:
    """Serve a public link, without a key."""
    row = find_public(context.backend, context.path)
    if row is None:
        raise missing("Not found.")
    data = await context.backend.read(row["blob"])
    return Response(data, headers={"content-type": row["content_type"]})


ROUTES = [
    route("POST", "/v1/files/{file_id}/public-url", share),
    route("POST", "/v1/files/{file_id}/public-url/revoke", revoke),
    route("GET", "/files-cdn/{rest:path}", serve),
]
