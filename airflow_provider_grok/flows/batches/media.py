"""What results of a batch are made of: media types, pictures as text, ids and states in the words of the user."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from pathlib import Path

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.flows.batches.manifest import State

EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
}


def twins_among(ids: Iterable[str]) -> frozenset[str]:
    """Ids that another one equals but for the case of its letters, except one that is all in lower case.

    :param ids: the ids.
    """
    seen: dict[str, list[str]] = {}
    for id in ids:
        seen.setdefault(id.lower(), []).append(id)
    return frozenset(id for same in seen.values() if len(same) > 1 for id in same if id != id.lower())


def in_users_words(text: str, wire_id: str, id: str) -> str:
    """An error's text with the user's id in it.

    :param text: the text.
    :param wire_id: the request's id on the wire.
    :param id: the user's id.
    """
    return text.replace(f" {wire_id} ", f" {id} ") if wire_id != id else text


def decoded(text: str, copy: Path) -> tuple[int, str]:
    """Write a picture that came as text; its length and SHA-256.

    :param text: base64.
    :param copy: the file to write.
    :raises NotAnApiResponse: for text that is no base64.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise errors.NotAnApiResponse(f"A picture came as text that is no base64 ({error}).") from error
    copy.write_bytes(data)
    return len(data), hashlib.sha256(data).hexdigest()


def ending_of(copy: Path) -> str:
    """The ending that fits what a file begins with.

    :param copy: a local file.
    :raises NotAnApiResponse: when it is no picture and no video, such as a web page that a proxy answered.
    """
    kind = files.media_type(copy) if copy.stat().st_size else "an empty file"
    if kind not in EXTENSIONS:
        raise errors.NotAnApiResponse(f"A result's link led to {kind}, which is neither a picture nor a video.")
    return EXTENSIONS[kind]


def state_of(error: errors.JobFailed) -> State:
    """How a row stands whose request failed.

    :param error: why.
    """
    if isinstance(error, errors.JobModerated):
        return "moderated"
    return "cancelled" if error.code == "cancelled" else "failed"
