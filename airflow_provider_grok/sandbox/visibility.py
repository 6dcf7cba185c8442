"""Reads that lag behind writes, on order: the faults `list_lag` and `not_found_for`.

Either stands on the request that creates something, and then that thing appears late, or on the request that reads,
and then it sees nothing younger than so many seconds of the sandbox's clock.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import missing
from airflow_provider_grok.sandbox.request_context import RequestContext

SCHEMA = "CREATE TABLE IF NOT EXISTS hidden (id TEXT PRIMARY KEY, listed_at REAL, found_at REAL)"


def note(backend: Backend, action: dict[str, Any], id: str, at: float, *, listed_from: float | None = None) -> None:
    """Remember that something new appears late, if a fault says so.

    :param action: the fault of the request that made it.
    :param id: of a file, a job or a batch.
    :param at: when it was made, unix seconds by the sandbox's clock.
    :param listed_from: when it would be listed without a fault; `at` by default.
    """
    if action.keys() & {"list_lag", "not_found_for"}:
        listed_at = (at if listed_from is None else listed_from) + action.get("list_lag", 0)
        backend.store.insert("hidden", id=id, listed_at=listed_at, found_at=at + action.get("not_found_for", 0))


def check_found(context: RequestContext, id: str, created_at: float, message: str) -> None:
    """Refuse a request for something that cannot be read by its id yet.

    :param created_at: unix seconds by the sandbox's clock.
    :param message: of the 404.
    :raises Refusal: 404.
    """
    backend = context.backend
    if backend.clock.now() < created_at + context.script.get("not_found_for", 0):
        raise missing(message)
    check_appeared(backend, id, message)


def check_appeared(backend: Backend, id: str, message: str) -> None:
    """Refuse something whose creation was ordered to show late.

    :raises Refusal: 404.
    """
    if backend.store.row("SELECT 1 FROM hidden WHERE id = ? AND found_at > ?", id, backend.clock.now()):
        raise missing(message)


def listed(context: RequestContext, created: str) -> tuple[str, list[float]]:
    """Return the SQL condition of what a listing shows by now, and its values.

    :param created: the column that says since when a row would be listed.
    """
    now = context.backend.clock.now()
    sql, values = "id NOT IN (SELECT id FROM hidden WHERE listed_at > ?)", [now]
    if "list_lag" in context.script:
        return f"{sql} AND {created} <= ?", [*values, now - context.script["list_lag"]]
    return sql, values
