"""A review: shared pictures as a contact sheet in Markdown, for a person on Airflow's approval page who says yes or no.

Airflow renders tables, shows pictures in them at most 300 pixels wide, and drops raw HTML; so everything is a table
three across, with number, words and cost under each picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.flows.files.result_store import StoredResult

#: Pictures in a row.
ACROSS = 3
# Controls, and what turns the direction of reading around.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


@dataclass(frozen=True)
class Caption:
    """What stands under a picture.

    :param text: its prompt, or whatever words the author gave.
    :param cost_usd: what it cost; None: not known.
    """

    text: str = ""
    cost_usd: float | None = None


def captions_of(value: Any) -> list[Caption]:
    """Captions out of one element of `captions`: words, or a task's `receipt`, which knows prompt and cost.

    :param value: text, or a receipt; one of several files gives one caption for each.
    """
    if not isinstance(value, Mapping) or "request" not in value:
        return [Caption(str(value))]
    count = max(1, len(value.get("files") or ()))
    cost = (value.get("usage") or {}).get("cost_usd")
    share = cost / count if isinstance(cost, int | float) else None
    return [Caption(str((value["request"] or {}).get("prompt") or ""), share)] * count


def review_markdown(rows: Sequence[StoredResult], captions: Sequence[Caption], title: str) -> str:
    """A contact sheet of shared files, in the Markdown that Airflow renders (images by https address, no HTML).

    :param rows: the shared files.
    :param captions: one for each file, or none at all.
    :param title: heading.
    """
    shown = [(number, row, caption) for number, (row, caption) in _numbered(rows, captions) if row.public_url]
    ends = {row.public_url_expires_at for _, row, _ in shown}
    count = f"{len(rows)} to look at." if len(rows) != 1 else "One to look at."
    (end,) = ends if len(ends) == 1 else (None,)
    parts = [f"## {plain(title)}", f"{count} The links work until {_day(end)}." if end else count]
    if shown:
        table = ["|" + "   |" * ACROSS, "|" + " :---: |" * ACROSS]
        for start in range(0, len(shown), ACROSS):
            cells = [_cells(*one, told=end) for one in shown[start : start + ACROSS]]
            table += [_line(line) for line in zip_longest(*cells, fillvalue="")]
        parts.append("\n".join(table))
    return "\n\n".join(parts) + "\n"


def _numbered(
    rows: Sequence[StoredResult], captions: Sequence[Caption]
) -> list[tuple[int, tuple[StoredResult, Caption]]]:
    """Files and captions with their numbers, which count files without a link too."""
    found = [captions[index] if index < len(captions) else Caption() for index in range(len(rows))]
    return list(enumerate(zip(rows, found, strict=True), 1))


def _cells(number: int, row: StoredResult, caption: Caption, *, told: int | None) -> tuple[str, str, str]:
    """Three lines of one picture: itself, its number and words, its link."""
    ending = (row.filename or "").lower().rpartition(".")[2]
    # A bracket in an address would end it, and let what follows be markup.
    address = (row.public_url or "").replace("(", "%28").replace(")", "%29")
    words = plain(caption.text)
    is_picture = ending in ("png", "jpg", "jpeg")
    label = words or f"number {number}"
    what = f"![{label}]({address})" if is_picture else f"[**Play film {number}**]({address})"
    cost = f"{caption.cost_usd:.2f} USD" if caption.cost_usd is not None else ""
    under = " · ".join(part for part in (f"**{number}**", words, cost) if part)
    end = row.public_url_expires_at
    until = f", until {_day(end)}" if end and end != told else ""
    return what, under, f"[Open in full size]({address}){until}" if is_picture else until.removeprefix(", ")


def _line(cells: Sequence[str]) -> str:
    filled = [*cells, *[""] * (ACROSS - len(cells))]
    return "| " + " | ".join(filled) + " |"


def plain(text: str) -> str:
    """Text that Markdown shows as it is.

    :param text: foreign text.
    """
    return _MARKUP.sub(r"\\\1", " ".join(_UNSEEN.sub(" ", text).split()))


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%d %B %Y, %H:%M UTC")
