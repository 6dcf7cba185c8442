"""Names with a purchase's token in them: of stored files, of batches, and of a batch's results."""

from __future__ import annotations

import hashlib
import re

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import Flow
from airflow_provider_grok.flows.purchases.key import KEY_LENGTH

LONGEST_NAME = 255
#: Characters of a stored file's name before the key.
LONGEST_STEM = 60
#: As much of a request's id as goes into a name: as long as our own ids may be; those of other programs have no limit.
LONGEST_ID = 128
#: What follows a name's last dot and is longer than this is no ending.
LONGEST_ENDING = 16
#: Files that a look without a search goes through.
NEWEST = 300

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_BATCH = re.compile(rf"(.*)\.([0-9a-f]{{{KEY_LENGTH}}})")


def marked_name(key: str, *, filename: str | None, default: str, extension: str) -> str:
    """The name of a stored file, with an idempotency key in it.

    The stem is at most 60 characters long, so that a server that shortens names does not cut the key.

    :param key: the key.
    :param filename: the name that the user asked for; its ending is kept.
    :param default: the stem where the user asked for none, `<dag>.<task>`.
    :param extension: the ending where there is none, with its dot, or an empty string.
    """
    if filename:
        stem, dot, ending = filename.rpartition(".")
        ends = stem and 0 < len(ending) <= LONGEST_ENDING
        stem, ending = (stem, dot + ending) if ends else (filename, extension)
    else:
        stem, ending = default, extension
    return f"{stem[:LONGEST_STEM]}.{key}{ending}"


def batch_name(stem: str, token: str) -> str:
    """The name of a batch.

    :param stem: the name that the user gave, or `<dag>.<task>`.
    :param token: the purchase's token.
    """
    return f"{stem[: LONGEST_NAME - KEY_LENGTH - 1]}.{token}"


def split_batch_name(name: str, batch_id: str) -> tuple[str, str]:
    """Stem and token of a batch's name; a batch of others gets a token of its id.

    :param name: the batch's name.
    :param batch_id: its id.
    """
    if found := _BATCH.fullmatch(name):
        return found.group(1), found.group(2)
    return name or "batch", hashlib.sha256(batch_id.encode()).hexdigest()[:KEY_LENGTH]


def result_name(stem: str, request_id: str, token: str, extension: str, number: int = 0) -> str:
    """The name of the stored result of one request of a batch.

    :param stem: the batch's stem.
    :param request_id: the request.
    :param token: the batch's token.
    :param extension: its ending, with its dot.
    :param number: 0 for a request's first result, 1 for its second.
    """
    mark = _mark(request_id) + (f"~{number + 1}" if number else "")
    room = LONGEST_NAME - KEY_LENGTH - len(mark) - len(extension) - 3
    return f"{_UNSAFE.sub('-', stem)[: max(room, 8)]}.{mark}.{token}{extension}"


def manifest_name(stem: str, token: str) -> str:
    """The name of a batch's manifest, whatever the batch is called; leaves room for a digest of its content.

    :param stem: the batch's stem.
    :param token: the batch's token.
    """
    return f"{_UNSAFE.sub('-', stem)[: LONGEST_NAME - 64].lstrip('.') or 'batch'}.manifest.{token}.jsonl"


def _mark(request_id: str) -> str:
    """A request's id as a file name can hold it; ids that differ give marks that differ."""
    flat = _UNSAFE.sub("-", request_id)
    if flat == request_id and len(flat) <= LONGEST_ID:
        return flat
    return f"{flat[:LONGEST_ID]}~{hashlib.sha256(request_id.encode()).hexdigest()[:8]}"


def bears(name: str, key: str) -> bool:
    """Whether a name has a key in it, however the server altered the rest of it.

    :param name: a file's or batch's name.
    :param key: the key: hex digits, which no other hex digit may touch.
    """
    return re.search(rf"(?<![0-9a-f]){re.escape(key)}(?![0-9a-f])", name.lower()) is not None


def search(text: str) -> Flow[list[files.File]]:
    """Files that the server's fuzzy search finds by a text in their names, newest first.

    :param text: a key, or a whole name.
    """
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    try:
        return (yield from files.listing(filter=f'name = "{quoted}"'))
    except errors.InvalidArgument:
        # A server that does not take the filter is asked for everything.
        return (yield from files.listing())


def newest_files() -> Flow[list[files.File]]:
    """The newest files of the team, without the help of any search."""
    return (yield from files.listing(limit=NEWEST))


def bearing(key: str) -> Flow[list[files.File]]:
    """All stored files that have a key in their names.

    :param key: the key.
    """
    return [file for file in (yield from search(key)) if bears(file.filename, key)]
