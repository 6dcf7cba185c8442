"""What a file is by its content: its media type by the first bytes, and whether it is there to its end."""

from __future__ import annotations

import mimetypes
import mmap
import re
from pathlib import Path

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.kinds import is_result

#: Bytes at the beginning of a file that say what it is.
HEAD = 16
_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)
#: Files of the ISO base media format name their kind in a brand (RFC 6381, registered at mp4ra.org); MP4 has many.
_BRANDED = re.compile(rb".{4}ftyp(.{4})", re.DOTALL)
_BRANDS = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"hevm": "image/heic",
    b"hevs": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}


def media_type(source: Path | bytes, name: str = "") -> str:
    """Tell a media type from the first bytes, or from the name where they say nothing.

    :param source: a file, or its first 16 bytes or more.
    :param name: a filename; for a file its own is the default.
    """
    if isinstance(source, bytes):
        head = source
    else:
        name = name or source.name
        with source.open("rb") as file:
            head = file.read(HEAD)
    for magic, kind in _MAGIC:
        if magic.match(head):
            return kind
    if branded := _BRANDED.match(head):
        return _BRANDS.get(branded.group(1), "video/mp4")
    if name.lower().endswith(".jsonl"):
        return "application/jsonl"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def check_result(path: Path) -> str:
    """Tell the media type of a picture or video that was fetched by a link, and see that nothing is cut off.

    A server may end an answer early that names no length, and then only the content tells.

    :param path: the local file.
    :raises NotAnApiResponse: for anything else, such as a proxy's page, and for one that is not whole.
    """
    kind = media_type(path) if path.stat().st_size else "an empty file"
    if not is_result(kind):
        raise errors.NotAnApiResponse(f"A result's link led to {kind}, which is neither a picture nor a video.")
    if not is_whole(path, kind):
        raise errors.NotAnApiResponse(
            f"A result's link led to {kind} of {path.stat().st_size} bytes that is cut off before its end."
        )
    return kind


def is_whole(path: Path, kind: str) -> bool:
    """Whether a picture or video is there to its end; true for kinds whose end cannot be told.

    :param path: the local file, not empty.
    :param kind: its media type.
    """
    check = {"image/jpeg": _jpeg, "image/png": _png, "image/webp": _webp, "video/mp4": _boxes}.get(kind)
    if check is None:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return check(data)


def _jpeg(data: mmap.mmap) -> bool:
    """Segments up to the first scan, then the end marker; a preview among the segments has one of its own."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        at += 1 if marker == 0xFF else 2 + length
        if marker == 0xDA:
            return data.rfind(b"\xff\xd9", at) >= 0
    return False


def _png(data: mmap.mmap) -> bool:
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return end <= len(data)
        at = end
    return False


def _webp(data: mmap.mmap) -> bool:
    return len(data) >= 8 + int.from_bytes(data[4:8], "little")


def _boxes(data: mmap.mmap) -> bool:
    """Boxes one after the other, each of which must end within the file, the index (moov) among them."""
    at, seen = 0, set[bytes]()
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        seen.add(data[at + 4 : at + 8])
        if size == 1 and at + 16 <= len(data):
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head or at + size > len(data):
            return False
        at += size
    # Fewer bytes than a box needs, behind a complete film, are no part of it.
    return b"moov" in seen
