"""The demo's table: file ids, links, seconds and cost, whole on every line, so that it can be copied and parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

TICKS_PER_USD = 10**10
HEADINGS = ("task", "file id", "seconds", "cost", "link")


@dataclass(frozen=True)
class Row:
    """One stored file.

    :param task: the task that stored it.
    :param file_id: its id.
    :param filename: its name.
    :param seconds: how long the task took.
    :param ticks: what it cost, in ticks of 1e-10 US dollars.
    :param request_id: the server's id of the job that made it; None for an upload.
    :param link: its public link.
    :param prompt: what was asked for.
    :param sources: ids of what it was made of.
    """

    task: str
    file_id: str
    filename: str
    seconds: float
    ticks: int
    request_id: str | None = None
    link: str | None = None
    prompt: str | None = None
    sources: tuple[str, ...] = ()


def rows_of(receipts: Iterable[Mapping[str, Any]], seconds: Mapping[str, float]) -> list[Row]:
    """One row for each file, from what the tasks noted: a file stands with its maker, and with the last link it got.

    :param receipts: task and receipt, in the DAG's order.
    :param seconds: how long each task took.
    """
    rows: dict[str, Row] = {}
    for entry in receipts:
        for file in entry["receipt"]["files"]:
            file_id = file["file_id"]
            if file_id and file_id not in rows:
                rows[file_id] = _row(entry, file, seconds.get(entry["task"], 0.0))
            if file_id and file["public_url"]:
                rows[file_id] = replace(rows[file_id], link=file["public_url"])
    return list(rows.values())


def _row(entry: Mapping[str, Any], file: Mapping[str, Any], seconds: float) -> Row:
    receipt = entry["receipt"]
    # A request that made several files is paid once: each bears its share.
    ticks = receipt["usage"]["cost_in_usd_ticks"] // max(len(receipt["files"]), 1)
    request = receipt["request"]
    return Row(
        task=entry["task"],
        file_id=file["file_id"],
        filename=file["filename"] or file["file_id"],
        seconds=seconds,
        ticks=ticks,
        request_id=receipt["request_id"],
        prompt=request.get("prompt"),
        sources=tuple(request.get("sources") or ()),
    )


def table(rows: Sequence[Row]) -> str:
    """The rows and their totals, as text; the link comes last, and no cell is cut.

    :param rows: one for each file.
    """
    links = sum(1 for row in rows if row.link)
    total = ("total", f"{len(rows)} files", *_amounts(sum(r.seconds for r in rows), sum(r.ticks for r in rows)))
    cells = [(row.task, row.file_id, *_amounts(row.seconds, row.ticks), row.link or "-") for row in rows]
    return layout([HEADINGS, *cells, (*total, f"{links} links")])


def _amounts(seconds: float, ticks: int) -> tuple[str, str]:
    return f"{seconds:.1f}", dollars(ticks)


def dollars(ticks: int) -> str:
    """An amount of money to read.

    :param ticks: ticks of 1e-10 US dollars.
    """
    return f"${ticks / TICKS_PER_USD:.2f}"


def layout(lines: Sequence[Sequence[str]]) -> str:
    """Columns, as wide as their widest cell; numbers to the right.

    :param lines: cells by line.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {HEADINGS.index("seconds"), HEADINGS.index("cost")}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
