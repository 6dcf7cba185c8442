"""Giving a stored file its public link, refused in words where the server could only refuse it too."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.files.result_store import StoredResult

#: Endings of names of what the API shares under no circumstances.
UNSHARED = frozenset({"webp", "gif", "txt", "json", "jsonl", "csv", "bmp", "tiff", "heic", "webm", "mov"})


def share_file(file_id: str, life: int | None, *, usual: int, log: logging.Logger | Any) -> Flow[StoredResult]:
    """Give a file a public link, or its link a new end.

    :param file_id: the file.
    :param life: life of the link in seconds; None: as long as the file's.
    :param usual: the life that nobody asked for in particular: it gives way to the file's.
    :param log: where to tell of that.
    :raises InvalidRequest: for a kind of file that is not shared, or a link that would outlive its file.
    """
    file = yield from files.get(file_id)
    _check_shareable(file)
    now: float = yield Now()
    left = None if file.expires_at is None else int(file.expires_at - now)
    if life is not None and left is not None and life > left:
        if life != usual:
            raise errors.InvalidRequest(
                f"The public link would live {life} s, but its file {file_id} only {left} s more. Give a shorter "
                "expires_after, or leave the link's end to the file's (expires_after=None)."
            )
        log.info("%s lives %d s more, less than the usual week: its link ends with it.", file_id, left)
        life = None
    link = yield from files.share(file_id, life)
    return replace(StoredResult.of_file(file), public_url=link.public_url, public_url_expires_at=link.expires_at)


def _check_shareable(file: files.File) -> None:
    if file.filename.rpartition(".")[2].lower() in UNSHARED:
        raise errors.InvalidRequest(
            f"{file.id} ({file.filename!r}) cannot have a public link: only PNG, JPEG, MP4 and PDF can. "
            "Convert it, or edit it with GrokImagineEditOperator (which makes a JPEG), and share the result."
        )
