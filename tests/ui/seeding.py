"""Runs, task instances and XComs as tasks leave them in Airflow's database, without running any."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.team import Team
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import delete, insert, select

START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)


def clean() -> None:
    """Remove all DAGs, runs, task instances and XComs."""
    with create_session() as session:
        for model in (XComModel, TaskInstance, DagRun, DagModel):
            session.execute(delete(model))


def add_dag(dag_id: str, team: str | None = None) -> None:
    """A DAG, in a bundle of its own.

    :param dag_id: its id.
    :param team: the team that its bundle belongs to.
    """
    bundle = f"bundle-{dag_id}"
    with create_session() as session:
        found = session.get(DagBundleModel, bundle) or DagBundleModel(name=bundle)
        if team:
            found.teams = [session.get(Team, team) or Team(name=team)]
        session.add(found)
        session.flush()
        values = {
            "dag_id": dag_id,
            "bundle_name": bundle,
            "relative_fileloc": f"{dag_id}.py",
            "fileloc": f"{dag_id}.py",
        }
        session.add(DagModel(**values))  # type: ignore[no-untyped-call]


def add_run(dag_id: str, run_id: str, run_after: datetime = START) -> None:
    """A run that has ended.

    :param dag_id: its DAG.
    :param run_id: its id.
    :param run_after: when it was due.
    """
    values = {
        "dag_id": dag_id,
        "run_id": run_id,
        "run_after": run_after,
        "run_type": DagRunType.MANUAL,
        "triggered_by": DagRunTriggeredByType.TEST,
        "state": "success",
    }
    with create_session() as session:
        session.execute(insert(DagRun).values(**values))


def add_task(
    dag_id: str,
    run_id: str,
    task_id: str,
    xcoms: Mapping[str, Any],
    *,
    map_index: int = -1,
    operator: str = "GrokImagineEditOperator",
    label: str | None = None,
    at: datetime = START,
) -> None:
    """A task instance with what it pushed.

    :param xcoms: by key.
    :param map_index: of a mapped task.
    :param operator: the class of the task.
    :param label: its rendered map index.
    :param at: when it pushed.
    """
    add_tasks(dag_id, run_id, task_id, [xcoms], first=map_index, operator=operator, labels=[label], at=at)


def add_tasks(
    dag_id: str,
    run_id: str,
    task_id: str,
    xcoms: Sequence[Mapping[str, Any]],
    *,
    first: int = 0,
    operator: str = "GrokImagineEditOperator",
    labels: Sequence[str | None] = (),
    at: datetime = START,
) -> None:
    """The instances of a mapped task, with what each pushed, a second apart.

    :param xcoms: of each, by key.
    :param first: the first map index.
    """
    here = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
    with create_session() as session:
        run = session.scalar(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        instances, values = [], []
        for number, pushed in enumerate(xcoms):
            index = first + number
            label = labels[number] if number < len(labels) else None
            instances.append(
                {
                    **here,
                    "id": uuid.uuid4(),
                    "map_index": index,
                    "operator": operator,
                    "state": "success",
                    "pool": "default_pool",
                    "rendered_map_index": label,
                    "span_status": "not_started",
                }
            )
            when = at + timedelta(seconds=number)
            values += [
                {**here, "dag_run_id": run, "map_index": index, "key": key, "value": value, "timestamp": when}
                for key, value in pushed.items()
            ]
        session.execute(insert(TaskInstance.__table__), instances)
        session.execute(insert(XComModel.__table__), values)


def receipt(*files: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """A receipt of a task that edits pictures.

    :param files: its rows.
    :param parts: what differs from the usual.
    """
    prompt, sources = parts.pop("prompt", "in red"), parts.pop("sources", [])
    money = {"cost_in_usd_ticks": 400_000_000, "cost_usd": 0.04, "estimated": False}
    usual = {
        "files": [dict(row) for row in files],
        "request": {"prompt": prompt, "model": "grok-imagine-image-2.0", "sources": sources},
        "usage": money,
        "billed": {**money, "moderation_ticks": 0},
        "request_id": "req_1",
        "reused": False,
        "grok_conn_id": "grok_default",
        "submitted_at": START.timestamp(),
        "seconds": 4.2,
    }
    return {**usual, **parts}


def file_row(file_id: str | None = "file_1", **parts: Any) -> dict[str, Any]:
    """A row of a receipt's files.

    :param file_id: the file.
    :param parts: what differs from the usual.
    """
    name = f"shop.edit.{'ab' * 7}.png"
    link = f"https://files-cdn.x.ai/token/{file_id}.png"
    usual = {"file_id": file_id, "filename": name, "expires_at": None, "public_url": link}
    return {**usual, "public_url_expires_at": None, "reason": None, **parts}
