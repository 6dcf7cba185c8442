"""A review: shared pictures as a contact sheet in Markdown, for a person on Airflow's approval page who says yes or no.

Airflow renders tables, shows pictures in them at most 300 pixels wide, and drops raw HTML; so everything is a table
three across, with number, words and cost under each picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.operators.values import fields, flat

if TYPE_CHECKING:
    from airflow_provider_grok.flows.files.result_store import StoredResult

#: Pictures in a row.
ACROSS = 3
# Controls, and what turns the direction of reading around.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


def costs_of(captions: Any) -> dict[str, float]:
    """What each file cost in US dollars, by its id, where the captions are receipts.

    :param captions: texts, or receipts, in any nest of lists; a receipt of several files gives each its share.
    """
    found: dict[str, float] = {}
    for leaf in (fields(one) for one in flat(captions)):
        rows = leaf.get("files") if isinstance(leaf, Mapping) else None
        cost = (leaf.get("usage") or {}).get("cost_usd") if isinstance(rows, list) else None
        ids = [str(row["file_id"]) for row in rows or () if isinstance(row, Mapping) and row.get("file_id")]
        if ids and isinstance(cost, int | float):
            found |= dict.fromkeys(ids, cost / len(ids))
    return found


def review_markdown(
    rows: Sequence[StoredResult], captions: Sequence[str], title: str, costs: Mapping[str, float] | None = None
) -> str:
    """A contact sheet of shared files, in the Markdown that Airflow renders (images by https address, no HTML).

    :param rows: the shared files.
    :param captions: one for each file, or none at all.
    :param title: heading.
    :param costs: what files cost in US dollars, by their ids.
    """
    words = [*captions, *[""] * (len(rows) - len(captions))]
    # The numbers count files without a link too.
    shown = [one for one in zip(range(1, len(rows) + 1), rows, words, strict=False) if one[1].public_url]
    ends = {row.public_url_expires_at for _, row, _ in shown}
    count = f"{len(rows)} to look at." if len(rows) != 1 else "One to look at."
    (end,) = ends if len(ends) == 1 else (None,)
    parts = [f"## {plain(title)}", f"{count} The links work until {_day(end)}." if end else count]
    if shown:
        table = ["|" + "   |" * ACROSS, "|" + " :---: |" * ACROSS]
        for start in range(0, len(shown), ACROSS):
            some = shown[start : start + ACROSS]
            cells = [_cells(*one, (costs or {}).get(one[1].file_id or ""), told=end) for one in some]
            table += [_line(line) for line in zip_longest(*cells, fillvalue="")]
        parts.append("\n".join(table))
    return "\n\n".join(parts) + "\n"


def _cells(
    number: int, row: StoredResult, caption: str, cost: float | None, *, told: int | None
) -> tuple[str, str, str]:
    """Three lines of one picture: itself, its number and words, its link."""
    ending = (row.filename or "").lower().rpartition(".")[2]
    # A bracket in an address would end it, and let what follows be markup.
    address = (row.public_url or "").replace("(", "%28").replace(")", "%29")
    words = plain(caption)
    is_picture = ending in ("png", "jpg", "jpeg")
    label = words or f"number {number}"
    what = f"![{label}]({address})" if is_picture else f"[**Play film {number}**]({address})"
    paid = f"{cost:.2f} USD" if cost is not None else ""
    under = " · ".join(part for part in (f"**{number}**", words, paid) if part)
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
