"""`GET /`: what the sandbox holds, to look at; and a copy of it as a folder or zip that needs no server."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from airflow_provider_grok.sandbox import files, page
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.connection_line import connection_line, shown_key
from airflow_provider_grok.sandbox.gallery_tables import TABLES
from airflow_provider_grok.sandbox.gallery_view import (
    PER_PAGE,
    SHOWN_TYPES,
    CopyAddresses,
    LiveAddresses,
    View,
    in_order,
)

HEADERS = {"cache-control": "no-store"}
ROWS_OF_A_COPY = 600  # the newest, of each table


def files_page(view: View, number: int, query: str = "") -> str:
    """Return a page of files.

    :param number: of the page, from 1; beyond the last it is the last.
    :param query: a text that name, id, prompt or model must contain.
    """
    placed = in_order([entry for entry in view.alive if entry.matches(query)]) if query else view.placed
    pages = view.pages("files", within(number, len(placed)), len(placed), query)
    first = (pages.number - 1) * PER_PAGE
    search = page.Search(view.addresses.view("files"), query, len(placed)) if view.addresses.live else None
    groups = view.groups(placed[first : first + PER_PAGE])
    nothing = not view.entries and not query
    return page.render_files(
        view.frame("files"), groups, pages=pages, search=search, first_steps=first_steps(view) if nothing else None
    )


def within(number: int, count: int) -> int:
    """Return the number of a page that is there."""
    return max(1, min(number, -(-count // PER_PAGE)))


def first_steps(view: View) -> page.FirstSteps:
    """Return what an empty gallery teaches."""
    key, url = view.backend.settings.api_key, f"{view.base}/v1"
    return page.FirstSteps(connection_line(url, key), url, view.base, shown_key(key))


def table_page(view: View, name: str, number: int) -> str:
    """Return a page of a table.

    :param name: of its tab.
    :param number: of the page, from 1; beyond the last it is the last.
    """
    frame = view.frame(name)
    count = next(tab.count or 0 for tab in frame.tabs if tab.current)
    pages = view.pages(name, within(number, count), count)
    table = TABLES[name](view, PER_PAGE, (pages.number - 1) * PER_PAGE)
    return page.render_table(frame, table, pages=pages)


def copy(backend: Backend, base: str) -> dict[str, bytes]:
    """Return a static copy of the gallery: contents by relative path.

    :param base: scheme and host that public URLs begin with.
    """
    backend.lazy_media.resolve_all_now()
    view = View(backend, CopyAddresses(), base)
    last = view.pages("files", 1, len(view.alive)).last
    html = {view.addresses.view("files", number): files_page(view, number) for number in range(1, last + 1)}
    for name, table in TABLES.items():
        html[view.addresses.view(name)] = page.render_table(view.frame(name), table(view, ROWS_OF_A_COPY, 0))
    media = {
        view.addresses.media(entry.row): backend.store.read_blob(entry.row["blob"])
        for entry in view.alive
        if entry.row["content_type"] in SHOWN_TYPES
    }
    return {name: text.encode() for name, text in html.items()} | media


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
        """Show a page: of files, or of the table that `view` names."""
        await self.backend.jobs.settle()
        query = request.query_params
        view = View(self.backend, LiveAddresses(), base_of(request))
        name, text = query.get("view", "files"), query.get("page", "1")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1
        if name in TABLES:
            html = await asyncio.to_thread(table_page, view, name, number)
        else:
            # With thousands of files it takes a while, and the API goes on meanwhile.
            html = await asyncio.to_thread(files_page, view, number, query.get("q", "").strip()[:200])
        return HTMLResponse(html, headers=HEADERS)

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
        await self.backend.lazy_media.resolve_all()
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
