"""Sources of an edit or a video: a file id, a data URL, or a link that the sandbox fetches."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

import httpx
from pydantic import Field

from airflow_provider_grok.sandbox import assets, draw, files, public_urls
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.bodies import Body
from airflow_provider_grok.sandbox.errors import Refusal, invalid

# docs.x.ai, Image generation: how the API fetches a source.
FETCH_SECONDS = 5.0
LARGEST_FETCH = 10 * 1024 * 1024
FETCH_AGENT = "XaiImageApiFetch/1.0"
DATA_URL = re.compile(r"data:(?P<mime>[^;,]*)(?P<params>(?:;[^;,]*)*),(?P<data>.*)", re.DOTALL)


class Reference(Body):
    """Where a source is: `url` (also called `image_url`) or `file_id`."""

    url: str | None = None
    image_url: str | None = Field(None, exclude=True)
    file_id: str | None = None

    @property
    def link(self) -> str | None:
        """The link, under either name."""
        return self.url if self.url is not None else self.image_url


@dataclass(frozen=True)
class Source:
    """A source that has been found.

    :param blob: its bytes in the store.
    :param file_id: the file it came from, if any.
    """

    blob: str
    file_id: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """Return it as JSON, to be kept with a job."""
        return {"blob": self.blob, "file_id": self.file_id}


def check(name: str, reference: Reference) -> None:
    """Refuse a reference that names no source, or two.

    :param name: the field, for the message.
    :raises Refusal: 400.
    """
    given = [value for value in (reference.url, reference.image_url, reference.file_id) if value]
    if len(given) != 1:
        raise invalid(f"{name} must have either a url or a file_id.")


async def resolve(backend: Backend, name: str, reference: Reference, base: str) -> Source:
    """Find a source.

    :param name: the field, for messages.
    :param base: scheme and host of the sandbox as the client knows it: links to itself need no fetching.
    :raises Refusal: 404 for an unknown file, 400 for a link that cannot be read.
    """
    check(name, reference)
    if reference.file_id:
        row = await files.find_settled(backend, reference.file_id)
        return Source(row["blob"], row["id"])
    link = reference.link or ""
    if link.startswith("data:"):
        return Source(backend.store.put_blob(read_data_url(name, link)))
    if not link.startswith(("http://", "https://")):
        raise invalid(f"{name}.url must be an http(s) or data URL, got {link[:80]!r}.")
    own = own_link(backend, link, base)
    if own is not None:
        return Source(await backend.lazy_media.resolve(own.blob), own.file_id)
    return Source(backend.store.put_blob(await fetch(name, link)))


async def resolve_image(backend: Backend, name: str, reference: Reference, base: str) -> Source:
    """Find a source that is a picture.

    :raises Refusal: as `resolve`, and 400 if it is no JPEG, PNG or WebP.
    """
    source = await resolve(backend, name, reference, base)
    async with backend.checking[source.blob]:
        if source.blob not in backend.readable:
            await backend.in_thread(check_image, name, backend.store.read_blob(source.blob))
            backend.readable.add(source.blob)
    return source


def own_link(backend: Backend, link: str, base: str) -> Source | None:
    """Return the source behind a living link to the sandbox itself."""
    parts = urlsplit(link)
    if f"{parts.scheme}://{parts.netloc}" != base:
        return None
    row = public_urls.find_public(backend, parts.path)
    if row is not None:
        return Source(row["blob"], row["id"])
    found = assets.find(backend, parts.path, parts.query.removeprefix("sig="))
    if found is None:
        return None
    # The same bytes may have been stored as a file too; then that is where they came from.
    kept = backend.store.row("SELECT id FROM files WHERE blob = ? AND deleted = 0 ORDER BY seq", found[0])
    return Source(found[0], kept["id"] if kept else None)


def read_data_url(name: str, link: str) -> bytes:
    """Return the bytes in a data URL.

    :raises Refusal: 400 if it cannot be read.
    """
    parts = DATA_URL.fullmatch(link)
    if parts is None:
        raise invalid(f"{name}.url is not a valid data URL.")
    if ";base64" not in parts["params"]:
        return unquote_to_bytes(parts["data"])
    try:
        return base64.b64decode(parts["data"], validate=True)
    except binascii.Error:
        raise invalid(f"{name}.url is not a valid data URL: its base64 cannot be decoded.") from None


async def fetch(name: str, link: str) -> bytes:
    """Fetch a link, as the API does.

    :param name: the field, for messages.
    :raises Refusal: 400 if it takes longer than 5 s in all, has more than 10 MiB or is not there.
    """
    try:
        return await asyncio.wait_for(_fetch(name, link), FETCH_SECONDS)
    except asyncio.TimeoutError:
        raise invalid(f"Failed to fetch {name}.url {link!r}: it took longer than {FETCH_SECONDS:g} s.") from None


async def _fetch(name: str, link: str) -> bytes:
    data = bytearray()
    try:
        async with (
            httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=True, trust_env=False) as client,
            client.stream("GET", link, headers={"user-agent": FETCH_AGENT, "accept-encoding": "identity"}) as response,
        ):
            response.raise_for_status()
            if response.headers.get("content-encoding", "identity") != "identity":
                raise invalid(f"Failed to fetch {name}.url {link!r}: it comes in an encoding that was not asked for.")
            async for piece in response.aiter_raw():
                data += piece
                if len(data) > LARGEST_FETCH:
                    raise invalid(f"{name}.url leads to more than {LARGEST_FETCH} bytes.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise invalid(f"Failed to fetch {name}.url {link!r}: {error or type(error).__name__}") from None
    return bytes(data)


def check_image(name: str, data: bytes) -> None:
    """Refuse what is no picture.

    :raises Refusal: 400 if it is no JPEG, PNG or WebP, broken, or has over 50 million pixels.
    """
    try:
        draw.decode(data)
    except ValueError as error:
        raise invalid(f"{name} is not a readable image: {error}.") from None


async def put_result(link: str, data: bytes, mime: str) -> None:
    """Send a result to a pre-signed URL of the caller's bucket (docs.x.ai, Imagine, `output`).

    :raises Refusal: 400 if it is not taken.
    """
    try:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            response = await client.put(link, content=data, headers={"content-type": mime})
            response.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise Refusal(400, f"Failed to upload the result to {link!r}: HTTP {error.response.status_code}.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refusal(400, f"Failed to upload the result to {link!r}: {type(error).__name__}.") from None
