"""What commands print: tables for people, one JSON object a line for programs, and a sign of life on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from typing import Any

#: Columns of an output that is no terminal: nothing in it is cut or wrapped.
ENDLESS = 100_000


def print_table(columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; nothing of it is cut, and it has colours on a terminal only.

    :param columns: headings, and `left` or `right`.
    :param rows: the cells, as text or number; text from elsewhere is made fit.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(box=None, pad_edge=False, header_style="bold" if terminal else "")
    for heading, side in columns.items():
        table.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(fit(cell)) for cell in row))
    console = Console(
        file=sys.stdout,
        force_terminal=terminal,
        no_color=not terminal,
        width=None if terminal else ENDLESS,
    )
    with console.capture() as printed:
        console.print(table)
    # Padding up to the last column's width says nothing.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing, a field a line.

    :param fields: names and values; empty ones are left out.
    """
    width = max(map(len, fields))
    for name, value in fields.items():
        if value not in (None, ""):
            sys.stdout.write(f"{name:{width}}  {fit(value)}\n")


def print_json(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print objects for programs.

    :param rows: the objects.
    """
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")


def fit(value: Any) -> str:
    """A value as a cell: no control characters, and no mark that turns the direction of reading.

    :param value: text or number.
    """
    from airflow_provider_grok.api.errors import clean

    return clean(str(value), 400)


def moment(at: float | None) -> str:
    """A moment in UTC, to the minute; empty for none.

    :param at: unix seconds.
    """
    try:
        return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M") if at else ""
    except (OverflowError, OSError, ValueError):
        return "?"


def size(count: int) -> str:
    """A number of bytes for people.

    :param count: bytes.
    """
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def dollars(ticks: int) -> str:
    """An amount of money, to the cent.

    :param ticks: 1 USD = 1e10.
    """
    return f"{ticks / 1e10:.2f} USD"


def busy(words: str) -> AbstractContextManager[Any]:
    """Show on a terminal that something takes its time.

    :param words: what is being done.
    """
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(words)
