"""Every request to the API and its answer, in order."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_grok.sandbox.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY, at REAL, method TEXT, path TEXT, query TEXT, status INTEGER,
    request_bytes INTEGER, response_bytes INTEGER, json TEXT, unknown TEXT
)
"""
COLUMNS = "method, path, query, status, request_bytes, response_bytes, json, unknown"
LONGEST_TEXT = 10_000  # characters kept of one text in a body: enough for a prompt, too little for a picture


class Journal:
    """The list of requests, as the control interface shows it."""

    def __init__(self, store: Store) -> None:
        """Open the journal kept in the store."""
        self._store = store
        store.create(SCHEMA)

    def write(self, entry: dict[str, Any], at: float) -> None:
        """Add one request.

        :param entry: the fields of the control interface.
        :param at: unix seconds by the sandbox's clock.
        """
        kept = {**entry, "json": json.dumps(shorten(entry["json"])), "unknown": entry["unknown"]}
        self._store.insert("requests", at=at, **kept)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """All requests, oldest first."""
        rows = self._store.rows(f"SELECT {COLUMNS} FROM requests ORDER BY seq")  # noqa: S608
        return [{**dict(row), **{key: json.loads(row[key]) for key in ("query", "json", "unknown")}} for row in rows]

    def latest(self, count: int, skip: int = 0) -> list[dict[str, Any]]:
        """Return the newest requests with their times, newest first."""
        sql = "SELECT at, method, path, status FROM requests ORDER BY seq DESC LIMIT ? OFFSET ?"
        return [dict(row) for row in self._store.rows(sql, count, skip)]


def shorten(value: Any) -> Any:
    """Cut long texts, such as pictures in data URLs, out of a JSON value."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"{value[:100]}... ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: shorten(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    return value
