"""Receipts as values: whoever may write XComs can forge one, so nothing in it is believed, and all is optional."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.ui.xcoms import Row

TICKS_PER_USD = 10**10
#: The longest text that a page shows of a prompt or a reason, and of a name or an id.
LONGEST_TEXT, LONGEST_NAME = 2_000, 255
#: The most files and sources that are read of one receipt.
MOST_FILES, MOST_SOURCES = 5_000, 100
#: No task costs more than a million dollars: a larger figure is no figure.
MOST_TICKS = 10**6 * TICKS_PER_USD
# Controls, and marks that turn the direction of reading around, also beyond the end of their own text.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Place:
    """A task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class Money:
    """A cost.

    :param ticks: 1 USD = 1e10.
    :param estimated: whether it is not what the API has said yet.
    :param moderation: as much of it as results cost that the content rules took away.
    """

    ticks: int = 0
    estimated: bool = False
    moderation: int = 0

    @property
    def usd(self) -> float:
        """In US dollars."""
        return self.ticks / TICKS_PER_USD


@dataclass(frozen=True)
class FileRow:
    """One result as a receipt, a manifest or a list of ids tells it.

    :param request_id: the request of a batch that it is the result of.
    :param place: where it is kept, if not in xAI Files.
    :param ticks: its own cost, where that is known.
    """

    file_id: str | None = None
    filename: str = ""
    expires_at: int | None = None
    public_url: str | None = None
    public_url_expires_at: int | None = None
    reason: str = ""
    request_id: str = ""
    place: str = ""
    ticks: int | None = None


@dataclass(frozen=True)
class Receipt:
    """What one task instance says it did.

    :param at: when the receipt was written, in unix seconds.
    :param problem: why it could not be read; empty where it was.
    :param counts: of a batch.
    :param usage: what this delivery cost; None where the receipt does not say.
    :param billed: what the task instance has been billed; None in receipts before 0.2.
    :param seconds: from submission to result.
    """

    place: Place
    at: float
    label: str = ""
    operator: str = ""
    problem: str = ""
    files: tuple[FileRow, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    prompt: str = ""
    model: str = ""
    sources: tuple[str, ...] = ()
    usage: Money | None = None
    billed: Money | None = None
    request_id: str = ""
    reused: bool = False
    conn_id: str = ""
    submitted_at: float | None = None
    seconds: float | None = None

    @property
    def cost(self) -> Money:
        """What the task instance has been billed, as far as its receipt says."""
        return self.billed or self.usage or Money()

    @property
    def makes(self) -> bool:
        """Whether the task makes something, and does not only act on files that are there."""
        return bool(self.model or self.prompt)


def read(rows: Iterable[Row]) -> list[Receipt]:
    """Read receipts from XCom rows.

    :param rows: the rows, as the database has them.
    """
    return [read_one(row) for row in rows]


def read_one(row: Row) -> Receipt:
    """Read a receipt; one that cannot be read says why.

    :param row: the XCom.
    """
    place = Place(row.dag_id, row.run_id, row.task_id, row.map_index)
    label, operator = text(row.label, LONGEST_NAME), text(row.operator, LONGEST_NAME)
    value = plain(row.value)
    if not isinstance(value, Mapping):
        why = "is not in Airflow's database (an XCom backend keeps it elsewhere)" if isinstance(value, str) else ""
        return Receipt(place, moment(row.at), label, operator, f"its receipt {why or 'has another form'}")
    request = _mapping(value.get("request"))
    return Receipt(
        place,
        moment(row.at),
        label,
        operator,
        files=tuple(map(file_row, _list(value.get("files"), MOST_FILES))),
        counts=_counts(value.get("counts")),
        prompt=text(request.get("prompt")),
        model=text(request.get("model"), LONGEST_NAME),
        sources=tuple(filter(None, (text(one) for one in _list(request.get("sources"), MOST_SOURCES)))),
        usage=_money(value.get("usage")),
        billed=_money(value.get("billed")),
        request_id=text(value.get("request_id"), LONGEST_NAME),
        reused=value.get("reused") is True,
        conn_id=text(value.get("grok_conn_id"), LONGEST_NAME),
        submitted_at=number(value.get("submitted_at"), most=2**33),
        seconds=number(value.get("seconds"), most=10**8),
    )


def file_row(found: Any) -> FileRow:
    """Read one row of `files`, of a receipt or of a manifest.

    :param found: the row.
    """
    row = _mapping(found)
    return FileRow(
        file_id=text(row.get("file_id"), LONGEST_NAME) or None,
        filename=text(row.get("filename"), LONGEST_NAME),
        expires_at=whole(row.get("expires_at"), most=2**33),
        public_url=text(row.get("public_url")) or None,
        public_url_expires_at=whole(row.get("public_url_expires_at"), most=2**33),
        reason=text(row.get("reason")),
        place=text(row.get("url")),
    )


def plain(value: Any) -> Any:
    """JSON data, also where the table holds it as a text.

    :param value: what the table holds.
    """
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def text(value: Any, limit: int = LONGEST_TEXT) -> str:
    """Foreign text that can be shown: nothing unseen in it, not endless; an empty string for anything else.

    :param value: anything.
    :param limit: how many characters are kept.
    """
    if not isinstance(value, str):
        return ""
    flat = _UNSEEN.sub(" ", value[: limit + 1]).strip()
    return flat if len(value) <= limit else f"{flat[:limit]} ... ({len(value)} characters)"


def number(value: Any, *, most: float) -> float | None:
    """A number that is not negative; None for anything else.

    :param value: anything.
    :param most: what is larger is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= most and math.isfinite(value) else None


def whole(value: Any, *, most: int) -> int | None:
    """A whole number that is not negative; None for anything else.

    :param value: anything.
    :param most: what is larger is none.
    """
    found = number(value, most=most)
    return None if found is None else int(value)


def moment(value: datetime | None) -> float:
    """Unix seconds; 0 for no moment.

    :param value: the moment.
    """
    return value.timestamp() if value else 0.0


def _money(value: Any) -> Money | None:
    found = _mapping(value)
    ticks = whole(found.get("cost_in_usd_ticks"), most=MOST_TICKS)
    if ticks is None:
        return None
    moderation = whole(found.get("moderation_ticks"), most=MOST_TICKS) or 0
    return Money(ticks, found.get("estimated") is True, min(moderation, ticks))


def _counts(value: Any) -> dict[str, int]:
    found = ((text(key, 40), whole(count, most=10**9)) for key, count in list(_mapping(value).items())[:20])
    return {key: count for key, count in found if key and count is not None}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any, most: int) -> list[Any]:
    return value[:most] if isinstance(value, list) else []
