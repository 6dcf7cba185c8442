"""XCom rows as the database gives them, and pages as a reader gets them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_grok.ui.xcoms import Row

START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
NOW = START.timestamp() + 3600


def row(value: Any, task_id: str = "edit", *, key: str = "receipt", minute: int = 0, **parts: Any) -> Row:
    """An XCom.

    :param value: what the task pushed.
    :param task_id: the task.
    :param key: its key.
    :param minute: minutes after START.
    :param parts: what differs from the usual.
    """
    usual = {"dag_id": "shop", "run_id": "run", "map_index": -1, "label": None, "operator": "GrokImagineEditOperator"}
    when = START + timedelta(minutes=minute)
    return Row(task_id=task_id, key=key, value=value, at=when, run_after=START, **{**usual, **parts})
