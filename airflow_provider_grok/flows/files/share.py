"""Giving a stored file its public URL, refused in words where the server could only refuse it too."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import Flow, Now
from airflow_provider_grok.flows.files.result_store import LATENCY, StoredResult, public_url_seconds
from airflow_provider_grok.flows.files.settle import settled

#: Seconds by which two ends that were asked to be the same may differ: each is rounded, and counted from its own start.
SAME_END = 60
#: Endings of names of what the API shares under no circumstances.
UNSHARED = frozenset({"webp", "gif", "txt", "json", "jsonl", "csv", "bmp", "tiff", "heic", "webm", "mov"})


def share_file(
    file_id: str, expires_after: int | None, *, usual: int, log: logging.Logger | Any, until: float | None = None
) -> Flow[StoredResult]:
    """Give a file a public URL, or its public URL a new end.

    :param file_id: the file.
    :param expires_after: lifetime of the public URL in seconds; None: as long as the file's.
    :param usual: the lifetime that nobody asked for in particular: it gives way to the file's.
    :param log: where to tell what happens.
    :param until: unix seconds after which a 404 is believed; None: a minute from now.
    :raises InvalidRequest: for a kind of file that is not shared, or a public URL that would outlive its file.
    """
    file = yield from settled(files.get(file_id), until)
    _check_shareable(file)
    now: float = yield Now()
    left = None if file.expires_at is None else int(file.expires_at - now)
    if expires_after is not None and left is not None and expires_after > left - LATENCY:
        if expires_after != usual and expires_after > left + SAME_END:
            raise errors.InvalidRequest(
                f"The public link would live {expires_after} s, but its file {file_id} only {left} s more. Give a "
                "shorter expires_after, or leave the link's end to the file's (expires_after=None)."
            )
        log.info("%s lives %d s more: its public URL ends with it.", file_id, left)
        expires_after = None
    seconds = public_url_seconds(StoredResult.of_file(file), expires_after, now)
    link = yield from settled(files.share(file_id, seconds), until)
    end = "has no end" if link.expires_at is None else f"ends at {_utc(link.expires_at)}"
    log.info("Shared %s (%s); its public URL %s.", file_id, file.filename, end)
    return replace(StoredResult.of_file(file), public_url=link.public_url, public_url_expires_at=link.expires_at)


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _check_shareable(file: files.File) -> None:
    if file.filename.rpartition(".")[2].lower() in UNSHARED:
        raise errors.InvalidRequest(
            f"{file.id} ({file.filename!r}) cannot have a public link: only PNG, JPEG, MP4 and PDF can. "
            "Convert it, or edit it with GrokImagineEditOperator (which makes a JPEG), and share the result."
        )
