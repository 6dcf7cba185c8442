"""`GET /`: what the sandbox holds, as a page to look at; and the same page as a folder or zip that needs no server."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from airflow_provider_grok.sandbox import files, page, public_urls
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.filenames import extension

SHOWN_TYPES = ("image/png", "image/jpeg", "image/webp", "video/mp4")
SHOWN_REQUESTS = 60
HEADERS = {"cache-control": "no-store"}
Address = Callable[[sqlite3.Row], str]


def collect(backend: Backend, address: Address, base: str) -> page.Gallery:
    """Return everything the page shows.

    :param address: where the page finds a file's bytes.
    :param base: scheme and host that public URLs begin with.
    """
    now = backend.clock.now()
    rows = backend.store.rows("SELECT * FROM files ORDER BY seq DESC")
    alive = [row for row in rows if is_alive(row, now)]
    names = {row["id"]: row["filename"] for row in rows}
    living = {row["id"] for row in alive}
    return page.Gallery(
        when=spell(now),
        cards=[card(row, now, address, base, names, living) for row in alive],
        requests=[(spell(row["at"]), *[row[key] for key in ("method", "path", "status")]) for row in requests(backend)],
        charges=[
            (spell(charge["at"]), charge["endpoint"], charge["model"], charge["ticks"], charge["id"])
            for charge in backend.ledger.charges
        ],
        total_ticks=backend.ledger.total_ticks,
    )


def is_alive(row: sqlite3.Row, now: float) -> bool:
    """Tell whether a file is neither deleted nor expired."""
    return not row["deleted"] and (row["expires_at"] is None or row["expires_at"] > now)


def requests(backend: Backend) -> list[dict[str, Any]]:
    """Return the newest requests, newest first."""
    return backend.journal.latest(SHOWN_REQUESTS)


def card(
    row: sqlite3.Row, now: float, address: Address, base: str, names: dict[str, str], living: set[str]
) -> page.Card:
    """Return what the page shows of one file."""
    origin = json.loads(row["origin"])
    shared = public_urls.is_active(row, now)
    return page.Card(
        file_id=row["id"],
        filename=row["filename"],
        content_type=row["content_type"],
        bytes=row["bytes"],
        made=spell(row["created_at"]),
        ends=spell(row["expires_at"]),
        media=address(row) if row["content_type"] in SHOWN_TYPES else None,
        link=f"{base}{row['public_path']}" if shared else None,
        link_ends=spell(row["public_until"]) if shared else None,
        prompt=origin.get("prompt"),
        model=origin.get("model"),
        sources=[(source, names.get(source, source), source in living) for source in origin.get("sources", [])],
    )


def spell(moment: float | None) -> str | None:
    """Return a time to read, in UTC."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def copied_name(row: sqlite3.Row) -> str:
    """Return where a static copy keeps a file's bytes: named by its id, which is safe in any file system."""
    return f"media/{row['id']}{extension(row['filename'])}"


def copy(backend: Backend, base: str) -> dict[str, bytes]:
    """Return a static copy of the gallery: contents by relative path."""
    backend.promises.keep_all_now()
    html = page.render(collect(backend, copied_name, base))
    now = backend.clock.now()
    rows = [row for row in backend.store.rows("SELECT * FROM files ORDER BY seq") if is_alive(row, now)]
    pictures = [row for row in rows if row["content_type"] in SHOWN_TYPES]
    return {"index.html": html.encode()} | {copied_name(row): backend.store.read_blob(row["blob"]) for row in pictures}


def write_copy(backend: Backend, folder: Path, base: str) -> Path:
    """Write a static copy of the gallery into a folder and return its page.

    :param folder: made if missing.
    :param base: scheme and host that public URLs begin with.
    """
    for name, data in copy(backend, base).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "index.html"


class Gallery:
    """The routes over one backend."""

    def __init__(self, backend: Backend) -> None:
        """Show a backend."""
        self.backend = backend

    async def index(self, request: Request) -> Response:
        """Show the page."""
        await self.backend.jobs.settle()
        await self.backend.promises.keep_all()
        gallery = collect(self.backend, lambda row: f"/_sandbox/media/{row['id']}", base_of(request))
        return HTMLResponse(page.render(gallery), headers=HEADERS)

    async def media(self, request: Request) -> Response:
        """Serve a picture or film of the page, without a key."""
        row = files.find(self.backend, request.path_params["file_id"])
        if row["content_type"] not in SHOWN_TYPES:
            return Response(status_code=404)
        data = await self.backend.read(row["blob"])
        return Response(data, media_type=row["content_type"], headers=HEADERS)

    async def archive(self, request: Request) -> Response:
        """Serve the static copy as a zip."""
        await self.backend.jobs.settle()
        await self.backend.promises.keep_all()
        contents = copy(self.backend, base_of(request))
        data = await self.backend.in_thread(zipped, contents)
        headers = {"content-disposition": 'attachment; filename="gallery.zip"'}
        return Response(data, media_type="application/zip", headers=headers)


def base_of(request: Request) -> str:
    """Return scheme, host and port as the browser wrote them."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def zipped(contents: dict[str, bytes]) -> bytes:
    """Pack files; pictures are packed already, so nothing is squeezed."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return target.getvalue()
