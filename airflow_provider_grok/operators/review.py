"""A review: shared pictures as Markdown that Airflow's approval page shows to a person who then says yes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_grok.flows.files.result_store import StoredResult

# Controls, and what turns the direction of reading around.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


def review_markdown(rows: Sequence[StoredResult], captions: Sequence[str], title: str) -> str:
    """Pictures with captions and links, in the Markdown that Airflow renders (images by https address, no HTML).

    :param rows: the shared files.
    :param captions: one for each file, or none at all.
    :param title: heading.
    """
    parts = [f"## {plain(title)}", f"{len(rows)} to look at." if len(rows) != 1 else "One to look at."]
    for number, row in enumerate(rows):
        if row.public_url:
            parts += _entry(number, row, captions[number] if number < len(captions) else "")
    return "\n\n".join(parts) + "\n"


def _entry(number: int, row: StoredResult, caption: str) -> list[str]:
    label = plain(caption or row.filename or row.file_id or "")
    ending = (row.filename or "").lower().rpartition(".")[2]
    end = f"The link works until {_day(row.public_url_expires_at)}." if row.public_url_expires_at else ""
    # A bracket in an address would end it, and let what follows be markup.
    address = (row.public_url or "").replace("(", "%28").replace(")", "%29")
    shown = f"![{label}]({address})" if ending in ("png", "jpg", "jpeg") else ""
    link = f"[Open in full size]({address})" if shown else f"[Open {label}]({address})"
    return [part for part in (f"### {number + 1}. {label}", shown, f"{link} {end}".strip()) if part]


def plain(text: str) -> str:
    """Text that Markdown shows as it is.

    :param text: foreign text.
    """
    return _MARKUP.sub(r"\\\1", " ".join(_UNSEEN.sub(" ", text).split()))


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%d %B %Y, %H:%M UTC")
