"""The tables of the gallery: jobs, batches, charges, requests, faults, and files that are gone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from airflow_provider_grok.sandbox import batch_views
from airflow_provider_grok.sandbox.gallery_files import Entry
from airflow_provider_grok.sandbox.gallery_view import View
from airflow_provider_grok.sandbox.page import Cell, Table, dollars
from airflow_provider_grok.sandbox.times import spell

Rows = list[list[Cell]]


def cells(*values: Any) -> list[Cell]:
    """Return a row; what is a cell already stays."""
    return [value if isinstance(value, Cell) else Cell("" if value is None else str(value)) for value in values]


def to_files(view: View, found: list[Entry], text: str | None = None) -> Cell:
    """Return the way to the files of a request: to the first of them, if any is still there.

    :param text: what the cell says; by default the name of the file, or how many there are.
    """
    there = [entry for entry in found if entry.id in view.places_of_files]
    if not there:
        return Cell(text or ("gone" if found else ""))
    name = there[0].row["filename"] if len(there) == 1 else f"{len(there)} files"
    return Cell(text or name, view.href_of_file(there[0].id))


def jobs(view: View, count: int, skip: int) -> Table:
    """Deferred images, videos, and the requests of batches."""
    store, now = view.backend.store, view.now
    rows = store.rows("SELECT * FROM jobs ORDER BY seq DESC LIMIT ? OFFSET ?", count, skip)
    made = files_by_request(view)
    shown = []
    for row in rows:
        ticks = (json.loads(row["result"] or "null") or {}).get("usage", {}).get("cost_in_usd_ticks")
        left = "" if row["state"] != "pending" else f" ({max(0, row['ready_at'] - now):.0f} s left)"
        shown.append(
            cells(
                spell(row["created_at"]),
                row["id"],
                row["endpoint"],
                row["model"],
                f"{row['state']}{left}",
                dollars(ticks) if ticks else "",
                to_files(view, made[row["id"]]),
                row["batch_id"],
            )
        )
    note = "A job is made by the sandbox's clock; POST /_sandbox/clock moves it."
    return Table(note, ("begun", "id", "endpoint", "model", "state", "cost", "files", "batch"), shown)


def batches(view: View, count: int, skip: int) -> Table:
    """Batches and their counters."""
    rows = view.backend.store.rows("SELECT * FROM batches ORDER BY seq DESC LIMIT ? OFFSET ?", count, skip)
    shown = []
    for row, batch in zip(rows, batch_views.describe(view.backend, rows), strict=True):
        state = batch["state"]
        end = row["message"] or ("cancelled" if batch["cancel_time"] else "")
        counted = [state[f"num_{name}"] for name in ("requests", "pending", "success", "error", "cancelled")]
        cost = dollars(batch["cost_breakdown"]["total_cost_usd_ticks"])
        shown.append(cells(spell(row["created_at"]), row["name"], row["id"], *counted, cost, end))
    heads = ("created", "name", "id", "requests", "pending", "success", "error", "cancelled", "cost", "end")
    return Table("Results can be read until a day after the batch was created.", heads, shown)


def charges(view: View, count: int, skip: int) -> Table:
    """What a team would have been billed, newest first."""
    made, jobs_of_rows = files_by_request(view), jobs_by_row(view)
    shown = []
    for charge in view.backend.ledger.charges[::-1][skip : skip + count]:
        job = jobs_of_rows.get((charge["id"], charge["at"]), charge["id"])
        head = (spell(charge["at"]), charge["endpoint"], charge["model"], dollars(charge["ticks"]), charge["ticks"])
        shown.append(cells(*head, charge["id"], to_files(view, made[job])))
    note = f"In all {dollars(view.backend.ledger.total_ticks)}. The sandbox bills nobody."
    return Table(note, ("time", "endpoint", "model", "cost", "ticks", "id", "files"), shown)


def requests(view: View, count: int, skip: int) -> Table:
    """The latest requests."""
    shown = [
        cells(spell(row["at"]), row["method"], row["path"], "lost" if row["status"] is None else row["status"])
        for row in view.backend.journal.latest(count, skip)
    ]
    return Table("Bodies are in GET /_sandbox/journal.", ("time", "method", "path", "status"), shown)


def faults(view: View, count: int, skip: int) -> Table:
    """What is to go wrong."""
    shown = []
    for fault in view.backend.faults.list[skip : skip + count]:
        times = "always" if fault["times"] is None else fault["times"]
        action = json.dumps(fault["action"], ensure_ascii=False, default=str)
        shown.append(cells(fault["method"], fault["path"], action, fault["skip"], times, fault["hits"]))
    note = "POST /_sandbox/faults orders one, DELETE withdraws all."
    return Table(note, ("method", "path", "action", "skip", "times", "hits"), shown)


def expired(view: View, count: int, skip: int) -> Table:
    """Files that were deleted or have expired, the last made first."""
    shown = []
    for entry in view.expired[::-1][skip : skip + count]:
        end = "deleted" if entry.row["deleted"] else f"expired {spell(entry.row['expires_at'])}"
        shown.append(cells(spell(entry.row["created_at"]), entry.row["filename"], entry.id, end))
    return Table("Deleted or expired: a 404 by the API.", ("made", "name", "id", "end"), shown)


def files_by_request(view: View) -> defaultdict[str, list[Entry]]:
    """Return the files that each request or job made."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in view.entries:
        if entry.request_id:
            found[entry.request_id].append(entry)
    return found


def jobs_by_row(view: View) -> dict[tuple[str, float], str]:
    """Return the jobs of batch requests by what the ledger knows of them: their ids in the batch, and their ends."""
    sql = "SELECT id, ready_at, json_extract(request, '$.batch_request_id') AS name FROM jobs WHERE batch_id NOT NULL"
    return {(row["name"], row["ready_at"]): row["id"] for row in view.backend.store.rows(sql)}


#: By the names of their tabs.
TABLES: dict[str, Callable[[View, int, int], Table]] = {
    "jobs": jobs,
    "batches": batches,
    "charges": charges,
    "requests": requests,
    "faults": faults,
    "expired": expired,
}
