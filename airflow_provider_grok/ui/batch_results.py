"""The results of a batch: by its manifest, else by the lists of ids and links that its task returned."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.ui.receipts import (
    LONGEST_NAME,
    MOST_FILES,
    MOST_TICKS,
    FileRow,
    Place,
    file_row,
    plain,
    text,
    whole,
)

if TYPE_CHECKING:
    from airflow_provider_grok.ui.xcoms import Row


@dataclass(frozen=True)
class BatchLists:
    """What a task that keeps a batch pushed beside its receipt.

    :param results: ids, or addresses where it kept them elsewhere.
    :param links: public links in the same order.
    :param manifest: id or address of the manifest.
    """

    results: tuple[str, ...] = ()
    links: tuple[str | None, ...] = ()
    manifest: str = ""

    def rows(self) -> tuple[FileRow, ...]:
        """A row for every result."""
        found = []
        for index, name in enumerate(self.results):
            link = self.links[index] if index < len(self.links) else None
            there = "/" in name
            found.append(FileRow(None if there else name, place=name if there else "", public_url=link))
        return tuple(found)


def lists_of(rows: Iterable[Row]) -> dict[Place, BatchLists]:
    """Gather what tasks pushed, by task instance.

    :param rows: XComs `return_value`, `public_url` and `manifest`.
    """
    found: dict[Place, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        found[Place(row.dag_id, row.run_id, row.task_id, row.map_index)][row.key] = plain(row.value)
    return {place: _lists(values) for place, values in found.items()}


def _lists(values: Mapping[str, Any]) -> BatchLists:
    results, links = values.get("return_value"), values.get("public_url")
    return BatchLists(
        tuple(filter(None, (text(one, LONGEST_NAME) for one in _some(results)))),
        tuple(text(one) or None for one in _some(links)),
        text(values.get("manifest"), LONGEST_NAME),
    )


def _some(value: Any) -> list[Any]:
    return value[:MOST_FILES] if isinstance(value, list) else []


def manifest_rows(lines: Iterable[str]) -> tuple[FileRow, ...]:
    """The results that a manifest lists; a request without a file has a row with its reason.

    :param lines: its lines; those that are no JSON objects are passed over.
    """
    found: list[FileRow] = []
    for line in lines:
        found += _of_line(line)
        if len(found) >= MOST_FILES:
            break
    return tuple(found[:MOST_FILES])


def _of_line(line: str) -> Iterator[FileRow]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(row, dict):
        return
    request_id = text(row.get("batch_request_id"), LONGEST_NAME)
    state, reason = text(row.get("state"), 40), text(row.get("reason"))
    ticks = whole(row.get("cost_in_usd_ticks"), most=MOST_TICKS)
    files = row.get("files")
    kept = [replace(file_row(one), request_id=request_id, ticks=ticks) for one in _some(files)]
    if kept:
        yield from kept
    else:
        why = ": ".join(filter(None, ("" if reason.startswith(state) else state, reason))) or "no file"
        yield FileRow(reason=why, request_id=request_id, ticks=ticks)
