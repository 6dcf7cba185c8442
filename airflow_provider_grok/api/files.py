"""Files at xAI: upload, look up, list, read, delete, and share by a public link (docs.x.ai, Files API)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.call import Call, Flow, Upload
from airflow_provider_grok.api.downloads import FETCH_LIMIT, Fetched, fetch, fetched
from airflow_provider_grok.api.media_content import check_result, media_type
from airflow_provider_grok.api.model import ApiModel, Link, Moment, ServerId
from airflow_provider_grok.api.storage import (
    FileOutput,
    check_filename,
    check_id,
    check_life,
    storage_options,
)

__all__ = [
    "Deleted",
    "Fetched",
    "File",
    "FileOutput",
    "FilePage",
    "PublicUrl",
    "Revoked",
    "check_id",
    "check_result",
    "content",
    "delete",
    "fetch",
    "find",
    "find_part",
    "get",
    "listing",
    "media_type",
    "page",
    "revoke",
    "share",
    "storage_options",
    "upload",
]

SortOrder = Literal["asc", "desc"]
SortBy = Literal["created_at", "filename", "size"]

#: The largest upload, in bytes: the docs name 48 MB in one place and 50 MB in another.
UPLOAD_LIMIT = 48_000_000
#: The largest page that the server gives.
PAGE = 100


class File(ApiModel):
    """A stored file."""

    id: ServerId
    bytes: int = 0
    created_at: int = 0
    filename: str = ""
    expires_at: Moment = None
    purpose: str = ""
    public_url: Link = None
    public_url_expires_at: Moment = None


class FilePage(ApiModel):
    """A page of a listing; a token comes with every page, even the last.

    `data` must be there: to take some other answer for an empty listing would be to buy again what is stored.
    """

    data: tuple[File, ...]
    pagination_token: str | None = None


class Deleted(ApiModel):
    """What became of a file that was to be deleted."""

    id: ServerId
    deleted: bool = True


class PublicUrl(ApiModel):
    """A public link; `expires_at` is None for one without end."""

    public_url: str = Field(pattern=r"^https?://[^\s\"<>\\]+$")
    expires_at: Moment = None


class Revoked(ApiModel):
    """What became of a link that was to be withdrawn; `revoked` is false where there was none."""

    id: ServerId
    revoked: bool = False
    public_url: Link = None


def upload(
    path: Path,
    *,
    filename: str | None = None,
    content_type: str | None = None,
    expires_after: int | None = None,
    purpose: str = "assistants",
) -> Call[File]:
    """Store a local file (docs.x.ai, Files API: upload).

    :param path: the file.
    :param filename: name to store it under; None: its own.
    :param content_type: its media type; None: told from its first bytes.
    :param expires_after: its lifetime in seconds, 3600 to 2592000; None: without end.
    :param purpose: any text; the API stores it and does nothing with it.
    :raises InvalidRequest: for a file that is missing, empty or too large, a bad name or lifetime.
    """
    _check_size(path)
    name = check_filename(filename or path.name)
    # The API refuses a lifetime that comes after the file.
    fields = {} if expires_after is None else {"expires_after": str(check_life(expires_after))}
    sent = Upload(path, name, content_type or media_type(path), {**fields, "purpose": purpose})
    return Call("POST", "/files", File.read, upload=sent)


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise errors.InvalidRequest(
            f"There is no file {str(path)!r}. Check the path on the machine that runs the task."
        )
    size = path.stat().st_size
    if not 0 < size <= UPLOAD_LIMIT:
        raise errors.InvalidRequest(
            f"{str(path)!r} has {size} bytes; the API takes 1 to {UPLOAD_LIMIT} (48 MB). "
            + ("Was it written at all?" if not size else "Make it smaller, or give its https URL as a source instead.")
        )


def _path(file_id: str, rest: str = "") -> str:
    return f"/files/{quote(check_id(file_id), safe='')}{rest}"


def get(file_id: str) -> Call[File]:
    """Ask for a file's record (docs.x.ai, Files API: get).

    :param file_id: the file.
    """
    return Call("GET", _path(file_id), File.read)


def delete(file_id: str) -> Call[Deleted]:
    """Delete a file, and with it its public link (docs.x.ai, Files API: delete).

    :param file_id: the file; a NotFound is raised when it was gone before the first try.
    """
    return Call("DELETE", _path(file_id), Deleted.read, absent=lambda: Deleted(id=file_id, deleted=True))


def content(file_id: str, into: Path, *, limit: int = FETCH_LIMIT) -> Call[Fetched]:
    """Stream a file's bytes to disk (docs.x.ai, Files API: content).

    :param file_id: the file.
    :param into: path to write to.
    :param limit: largest size that is taken, in bytes.
    """
    return Call("GET", _path(file_id, "/content"), fetched, into=into, limit=limit)


def page(
    *,
    filter: str | None = None,
    order: SortOrder = "desc",
    sort_by: SortBy = "created_at",
    limit: int = PAGE,
    token: str | None = None,
) -> Call[FilePage]:
    """Ask for one page of the team's files (docs.x.ai, Files API: list).

    :param filter: AIP-160 expression, such as `public_url != null`.
    :param order: asc or desc.
    :param sort_by: created_at, filename or size; always sent, for the order is undefined without it.
    :param limit: files per page, at most 100.
    :param token: the last page's token.
    """
    query: dict[str, str | int] = {"limit": limit, "order": order, "sort_by": sort_by}
    query |= {key: value for key, value in {"filter": filter, "pagination_token": token}.items() if value}
    return Call("GET", "/files", FilePage.read, query=query)


def listing(
    *,
    filter: str | None = None,
    order: SortOrder = "desc",
    sort_by: SortBy = "created_at",
    limit: int | None = None,
) -> Flow[list[File]]:
    """List the team's files, page by page.

    :param filter: AIP-160 expression.
    :param order: asc or desc.
    :param sort_by: created_at, filename or size.
    :param limit: how many files at the most; None: all.
    """
    found: dict[str, File] = {}
    asked = PAGE if limit is None else min(PAGE, limit)
    end = _End()
    token: str | None = None
    while asked > 0:
        got = yield from page(filter=filter, order=order, sort_by=sort_by, limit=asked, token=token)
        fresh = {file.id: file for file in got.data if file.id not in found}
        found |= fresh
        token = got.pagination_token
        if end.reached(got, bool(fresh)) or (limit is not None and len(found) >= limit):
            break
    return list(found.values())[:limit]


class _End:
    """Tells when a listing has come to its end.

    A server may give shorter pages than it was asked for, or shift them while files are added, so only an empty page,
    a page without a token and a server that repeats itself end a listing.
    """

    #: Pages in a row without anything new after which a server is taken to repeat itself.
    MOST_STALE = 3

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.stale = 0

    def reached(self, got: FilePage, fresh: bool) -> bool:
        """Whether this page is the last.

        :param got: the page.
        :param fresh: whether it holds anything that no page before held.
        """
        token = got.pagination_token
        self.stale = 0 if fresh else self.stale + 1
        repeats = not fresh and (token in self.tokens or self.stale >= self.MOST_STALE)
        self.tokens.add(token or "")
        return not got.data or not token or repeats


def find(filename: str, *, size: int | None = None, since: float | None = None) -> Flow[list[File]]:
    """Look for files by their exact name, newest first.

    :param filename: the name.
    :param size: only files of this many bytes.
    :param since: unix seconds; where the server's search finds nothing, all files made since then are gone through.
    """
    # The server's own comparison is fuzzy, so it only narrows the search.
    files = yield from _narrowed(filename)
    found = [file for file in files if file.filename == filename and size in (None, file.bytes)]
    if found or since is None:
        return found
    files = yield from _newest(since)
    return [file for file in files if file.filename == filename and size in (None, file.bytes)]


def find_part(text: str, *, size: int | None = None) -> Flow[list[File]]:
    """Look for files by a part of their names, oldest first; what is returned may only resemble it.

    :param text: the part, such as a digest.
    :param size: only files of this many bytes.
    """
    return [file for file in (yield from _narrowed(text, "asc")) if size in (None, file.bytes)]


def _narrowed(text: str, order: SortOrder = "desc") -> Flow[list[File]]:
    """The files whose names resemble a text; all files, where the server does not take the filter."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    try:
        return (yield from listing(filter=f'name = "{quoted}"', order=order))
    except errors.InvalidArgument:
        return (yield from listing(order=order))


def _newest(since: float) -> Flow[list[File]]:
    """All files made since a moment, newest first."""
    found: dict[str, File] = {}
    end = _End()
    token: str | None = None
    while True:
        got = yield from page(token=token)
        young = {file.id: file for file in got.data if file.created_at >= since}
        fresh = young.keys() - found.keys()
        found |= young
        token = got.pagination_token
        if end.reached(got, bool(fresh)) or len(young) < len(got.data):
            return list(found.values())


def share(file_id: str, expires_after: int | None = None) -> Call[PublicUrl]:
    """Give a file a public link, or its link a new end (docs.x.ai, Files API: public URLs).

    :param file_id: the file: PNG, JPEG, MP4 or PDF of at most 50 MiB.
    :param expires_after: lifetime of the public URL in seconds from now, 3600 to 2592000; None: as long as the file's.
    :raises InvalidRequest: for a lifetime out of bounds.
    """
    body: Mapping[str, int] = {} if expires_after is None else {"expires_after": check_life(expires_after)}
    return Call("POST", _path(file_id, "/public-url"), PublicUrl.read, body=body, repeatable=True)


def revoke(file_id: str) -> Call[Revoked]:
    """Withdraw a file's public link; safe where there is none (docs.x.ai, Files API: public URLs).

    :param file_id: the file.
    """
    return Call("POST", _path(file_id, "/public-url/revoke"), Revoked.read, repeatable=True)
