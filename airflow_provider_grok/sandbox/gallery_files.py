"""The files of the gallery, grouped by DAG and run.

The API knows neither, but our names of stored results tell DAG and task: `<dag>.<task>.<key>.<ext>`. A run is guessed:
it ends where a task asks for the same thing again, a minute later or more, or where ten minutes pass.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.page import dollars
from airflow_provider_grok.sandbox.times import spell

RESULT_NAME = re.compile(r"(?P<dag>[^.]+)\.(?P<task>.+?)\.[0-9a-f]{12,64}(\.|$)")
PAUSE = 600  # seconds without a new file that separate two runs
REPEAT = 60  # seconds after which the same question belongs to another run; sooner it is another mapped task
UPLOADS, OTHERS = "Uploads", "Other results"


@dataclass(frozen=True)
class Entry:
    """One file and what is known of its origin.

    :param ticks: its share of what its request cost, in 1e-10 US dollars; None for an upload.
    """

    row: sqlite3.Row
    origin: dict[str, Any]
    ticks: int | None

    @property
    def id(self) -> str:
        """The file's id."""
        return str(self.row["id"])

    @property
    def request_id(self) -> str | None:
        """The request or job that made it; None for an upload."""
        return self.origin.get("request_id")

    @cached_property
    def named(self) -> tuple[str | None, str | None]:
        """DAG and task, if its name tells."""
        found = RESULT_NAME.match(self.row["filename"])
        return (found["dag"], found["task"]) if found else (None, None)

    def seconds_after(self, other: Entry) -> int:
        """How much later than another file it was made."""
        return int(self.row["created_at"] - other.row["created_at"])

    def matches(self, query: str) -> bool:
        """Tell whether name, id, prompt or model contain a text, in any case."""
        texts = (self.id, self.row["filename"], self.origin.get("prompt"), self.origin.get("model"))
        return any(query.lower() in text.lower() for text in texts if text)


@dataclass
class Run:
    """Files that are shown together."""

    title: str
    entries: list[Entry] = field(default_factory=list)
    asked: dict[Any, Entry] = field(default_factory=dict)  # what was asked for, and its latest answer

    def takes(self, entry: Entry) -> bool:
        """Tell whether a file, newer than all here, belongs to the same run."""
        if entry.seconds_after(self.entries[-1]) > PAUSE:
            return False
        before = self.asked.get(asked_for(entry))
        return before is None or before.request_id == entry.request_id or entry.seconds_after(before) < REPEAT

    def add(self, entry: Entry) -> None:
        """Take a file in."""
        self.entries.append(entry)
        self.asked[asked_for(entry)] = entry

    @property
    def note(self) -> str:
        """When it began, how many files it has, what they cost."""
        first = next((entry for entry in self.entries if entry.request_id), self.entries[0])
        ticks = sum(entry.ticks or 0 for entry in self.entries)
        cost = f", {dollars(ticks)}" if ticks else ""
        return f"{spell(first.row['created_at'])} UTC, {len(self.entries)} file{'s' * (len(self.entries) > 1)}{cost}"

    @property
    def newest(self) -> tuple[int, int]:
        """When its newest file was made, and its number: a file may be stored later than it was made."""
        return max((int(entry.row["created_at"]), int(entry.row["seq"])) for entry in self.entries)


def asked_for(entry: Entry) -> Any:
    """Return what tells one request of a run from another."""
    return entry.named[1], entry.origin.get("prompt"), tuple(entry.origin.get("sources", ()))


def entries(backend: Backend) -> list[Entry]:
    """Return all files that ever were, oldest first."""
    rows = backend.store.rows("SELECT * FROM files ORDER BY created_at, seq")
    origins = [json.loads(row["origin"]) for row in rows]
    counts: defaultdict[str, int] = defaultdict(int)
    for origin in origins:
        counts[origin.get("request_id", "")] += 1
    costs = ticks_by_request(backend)
    found = []
    for row, origin in zip(rows, origins, strict=True):
        request_id = origin.get("request_id", "")
        found.append(Entry(row, origin, costs[request_id] // counts[request_id] if request_id in costs else None))
    return found


def ticks_by_request(backend: Backend) -> dict[str, int]:
    """Return what requests have cost, by the id of request or job."""
    costs = {charge["id"]: charge["ticks"] for charge in backend.ledger.charges}
    sql = "SELECT id, json_extract(result, '$.usage.cost_in_usd_ticks') AS ticks FROM jobs WHERE batch_id IS NOT NULL"
    return costs | {row["id"]: row["ticks"] for row in backend.store.rows(sql) if row["ticks"]}


def is_alive(row: sqlite3.Row, now: float) -> bool:
    """Tell whether a file is neither deleted nor expired."""
    return not row["deleted"] and (row["expires_at"] is None or row["expires_at"] > now)


def runs_of(alive: list[Entry]) -> list[Run]:
    """Group files, newest run first; an upload stands at the head of the first run that used it.

    :param alive: oldest first.
    """
    latest: dict[str, Run] = {}
    run_of: dict[str, Run] = {}
    found, uploads = [], {entry.id: entry for entry in alive if not entry.request_id and not entry.named[0]}
    for entry in alive:
        if entry.id in uploads:
            continue
        title = f"DAG {entry.named[0]}" if entry.named[0] else OTHERS
        run = run_of_sources(entry, run_of) if title == OTHERS else latest.get(title)
        run = run or latest.get(title)
        if run is None or not run.takes(entry):
            run = latest[title] = Run(title)
            found.append(run)
        run.add(entry)
        run_of[entry.id] = run
    for run in found:
        used = dict.fromkeys(source for entry in run.entries for source in entry.origin.get("sources", ()))
        run.entries[:0] = [uploads.pop(source) for source in used if source in uploads]
    if uploads:
        found.append(Run(UPLOADS, list(uploads.values())[::-1]))
    return sorted(found, key=lambda run: run.newest, reverse=True)


def run_of_sources(entry: Entry, run_of: dict[str, Run]) -> Run | None:
    """Return the run that made what a file was made from: a name of your own tells no DAG, but its source's may."""
    return next((run_of[source] for source in entry.origin.get("sources", ()) if source in run_of), None)
