"""Names with a purchase's token in them: of stored files, of batches, and of a batch's results."""

from __future__ import annotations

import hashlib
import re

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import Flow
from airflow_provider_grok.flows.purchases.key import KEY_LENGTH

LONGEST_NAME = 255
#: As much of a request's id as goes into a name: as long as our own ids may be; those of other programs have no limit.
LONGEST_ID = 128
#: What follows a name's last dot and is longer than this is no ending.
LONGEST_ENDING = 16

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_BATCH = re.compile(rf"(.*)\.([0-9a-f]{{{KEY_LENGTH}}})")


def marked_name(token: str, *, filename: str | None, default: str, extension: str) -> str:
    """The name of a stored file, with a token in it.

    :param token: the token.
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
    return f"{stem[: LONGEST_NAME - len(token) - len(ending) - 1]}.{token}{ending}"


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


def bearing(token: str) -> Flow[list[files.File]]:
    """All stored files that have a token in their names.

    :param token: the token.
    """
    try:
        found: list[files.File] = yield from files.listing(filter=f'name = "{token}"')
    except errors.InvalidArgument:
        # A server that does not take the filter is asked for everything.
        found = yield from files.listing()
    return [file for file in found if f".{token}." in f"{file.filename}."]
