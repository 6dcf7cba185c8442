"""Rows of Airflow's XCom table: the only module of the plugin that asks the database, and only reads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import Select, and_, func, select

from airflow_provider_grok.ui.receipts import Place

#: The most receipts that one page reads.
RECEIPT_LIMIT = 10_000
#: What a batch's results are listed in, beside its receipt.
BATCH_KEYS = ("return_value", "public_url", "manifest")


@dataclass(frozen=True)
class Row:
    """One XCom, with what the page says of its task instance.

    :param value: as it lies in the table: JSON data, or a reference of an XCom backend.
    :param at: when it was written.
    :param run_after: when its run was due.
    :param label: the rendered map index.
    :param operator: the class of the task.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str
    value: Any
    at: datetime
    run_after: datetime | None
    label: str | None
    operator: str | None


@dataclass(frozen=True)
class Run:
    """A run that has receipts.

    :param receipts: how many.
    """

    dag_id: str
    run_id: str
    run_after: datetime | None
    receipts: int


def _rows() -> Select[Any]:
    columns = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index, XComModel.key)
    extra = (XComModel.value, XComModel.timestamp, DagRun.run_after)
    # The attribute `rendered_map_index` falls back to the number, which the page shows anyway.
    own = (TaskInstance._rendered_map_index, TaskInstance.operator)
    same = [getattr(TaskInstance, name) == getattr(XComModel, name) for name in ("dag_id", "task_id", "run_id")]
    return (
        select(*columns, *extra, *own)
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .outerjoin(TaskInstance, and_(*same, TaskInstance.map_index == XComModel.map_index))
    )


def _read(query: Select[Any]) -> list[Row]:
    with create_session() as session:
        return [Row(*found) for found in session.execute(query)]


def receipts(
    dag_id: str,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int | None = None,
    *,
    limit: int = RECEIPT_LIMIT,
) -> list[Row]:
    """The receipts of a DAG, a run or a task instance, newest first; one query.

    :param dag_id: the DAG.
    :param run_id: only of this run.
    :param task_id: only of this task.
    :param map_index: only of this one of a mapped task.
    :param limit: how many at the most.
    """
    given = {"run_id": run_id, "task_id": task_id, "map_index": map_index}
    query = _rows().where(XComModel.dag_id == dag_id, XComModel.key == "receipt")
    for name, value in given.items():
        if value is not None:
            query = query.where(getattr(XComModel, name) == value)
    return _read(_newest(query).limit(limit))


def receipts_since(dag_ids: Collection[str], since: datetime, *, limit: int) -> list[Row]:
    """The receipts of some DAGs from a moment on, newest first; one query.

    :param dag_ids: the DAGs.
    :param since: the moment.
    :param limit: how many at the most.
    """
    if not dag_ids:
        return []
    query = _rows().where(XComModel.dag_id.in_(dag_ids), XComModel.key == "receipt", XComModel.timestamp >= since)
    return _read(_newest(query).limit(limit))


def newest_receipts_of_runs(runs: Collection[Run], *, each: int) -> list[Row]:
    """The newest receipts of some runs; one query.

    :param runs: the runs.
    :param each: how many of each run at the most.
    """
    if not runs:
        return []
    dags, ids = {run.dag_id for run in runs}, {run.run_id for run in runs}
    place = func.row_number().over(
        partition_by=XComModel.dag_run_id,
        order_by=(XComModel.timestamp.desc(), XComModel.task_id, XComModel.map_index),
    )
    columns = (XComModel.dag_run_id, XComModel.task_id, XComModel.map_index, place.label("place"))
    mine = (XComModel.key == "receipt", XComModel.dag_id.in_(dags), XComModel.run_id.in_(ids))
    ranked = select(*columns).where(*mine).subquery()
    same = [getattr(ranked.c, name) == getattr(XComModel, name) for name in ("dag_run_id", "task_id", "map_index")]
    query = _rows().join(ranked, and_(*same)).where(XComModel.key == "receipt", ranked.c.place <= each)
    # Run ids are not unique across DAGs.
    wanted = {(run.dag_id, run.run_id) for run in runs}
    return [row for row in _read(_newest(query)) if (row.dag_id, row.run_id) in wanted]


def batch_values(places: Collection[Place]) -> list[Row]:
    """What tasks that keep a batch say of its results, beside their receipts; one query.

    :param places: the task instances.
    """
    if not places:
        return []
    names = ("dag_id", "run_id", "task_id")
    here = [getattr(XComModel, name).in_({getattr(place, name) for place in places}) for name in names]
    rows = _read(_rows().where(*here, XComModel.key.in_(BATCH_KEYS)))
    return [row for row in rows if Place(row.dag_id, row.run_id, row.task_id, row.map_index) in set(places)]


def dags_with_receipts() -> list[str]:
    """Every DAG that has a receipt; one query."""
    with create_session() as session:
        query = select(XComModel.dag_id).where(XComModel.key == "receipt").distinct()
        return sorted(session.scalars(query))


def latest_runs(dag_ids: Collection[str], *, limit: int) -> list[Run]:
    """The newest runs of some DAGs that have receipts; one query.

    :param dag_ids: the DAGs.
    :param limit: how many at the most.
    """
    if not dag_ids:
        return []
    query = (
        select(XComModel.dag_id, XComModel.run_id, DagRun.run_after, func.count())
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .where(XComModel.dag_id.in_(dag_ids), XComModel.key == "receipt")
        .group_by(XComModel.dag_id, XComModel.run_id, DagRun.run_after, DagRun.id)
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .limit(limit)
    )
    with create_session() as session:
        return [Run(*found) for found in session.execute(query)]


def _newest(query: Select[Any]) -> Select[Any]:
    return query.order_by(XComModel.timestamp.desc(), XComModel.task_id, XComModel.map_index)
