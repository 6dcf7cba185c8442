"""What tasks keep in Airflow's metadata database: records of purchases, receipts, and ids that they hand on."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.flows.purchases.claims import Claims, Owner

#: Ids that one query looks for.
MOST_IDS = 50


def read_claims() -> Claims:
    """Read out of Airflow's metadata database what its tasks have.

    :raises InvalidRequest: for a record or receipt that is not in the database.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel as Table
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from airflow_provider_grok.flows.purchases.claims import claims_of

    columns = (Table.dag_id, Table.run_id, Table.task_id, Table.map_index, DagRun.logical_date, Table.value)
    with create_session() as session:
        query = select(*columns).outerjoin(DagRun, DagRun.id == Table.dag_run_id).where(Table.key.startswith("grok."))
        records = [(owner_of(*row[:5]), _record(row[5])) for row in session.execute(query)]
        receipts = session.scalars(select(XComModel.value).where(XComModel.key == "receipt")).all()
        manifests = session.scalars(select(XComModel.value).where(XComModel.key == "manifest")).all()
    return claims_of(records, [*map(_receipt, receipts), *manifests])


def owner_of(dag_id: str, run_id: str, task_id: str, map_index: int, logical_date: datetime | None) -> Owner:
    """A task instance in words, and the command that clears it.

    :param dag_id: the DAG.
    :param run_id: the run.
    :param task_id: the task.
    :param map_index: the index of a mapped task, or -1.
    :param logical_date: of the run; None for a run without, which no command clears alone.
    """
    from airflow_provider_grok.flows.purchases.claims import Owner

    mapped = f"[{map_index}]" if map_index >= 0 else ""
    words = f"{dag_id}.{task_id}{mapped} of run {run_id}"
    if logical_date is None:
        return Owner(words)
    # Airflow clears by the logical date. What it calls a pattern of task ids is, in 3.3, any part of an id.
    date = logical_date.isoformat()
    return Owner(words, shlex.join(["airflow", "tasks", "clear", dag_id, "-t", task_id, "-s", date, "-e", date]))


def _record(text: str) -> Any:
    from airflow_provider_grok.api.errors import InvalidRequest

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict | list):
        return value
    raise InvalidRequest(
        f"A record in the task state store cannot be read: {text[:60]!r}. With another `[workers] state_store_backend` "
        "the records are not in the metadata database, and every file would look like an orphan: nothing was done."
    )


def _receipt(value: Any) -> Any:
    """A receipt as it lies in the table; one that an XCom backend keeps elsewhere names nothing."""
    from airflow.configuration import conf

    from airflow_provider_grok.api.errors import InvalidRequest

    elsewhere = isinstance(value, str) and value[:1] not in ('"', "{", "[")
    if elsewhere and not conf.get("core", "xcom_backend", fallback="BaseXCom").endswith("BaseXCom"):
        raise InvalidRequest(
            f"A receipt is not in the metadata database: {value[:60]!r}. With another `[core] xcom_backend` what it "
            "names would look like an orphan: nothing was done."
        )
    return value


def handed_on(ids: Sequence[str]) -> set[str]:
    """The ids that stand in XComs of any task: what a `@task` bought by the hook has no receipt.

    :param ids: ids of files and batches.
    """
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import Text, cast, or_, select

    found: set[str] = set()
    text = cast(XComModel.value, Text)
    with create_session() as session:
        for some in _portions(ids):
            query = select(text).where(or_(*(text.contains(one, autoescape=True) for one in some)))
            query = query.where(XComModel.key.not_in(("receipt", "manifest")))
            found.update(one for value in session.scalars(query) for one in some if one in str(value))
    return found


def _portions(ids: Sequence[str]) -> Iterator[Iterable[str]]:
    for start in range(0, len(ids), MOST_IDS):
        yield ids[start : start + MOST_IDS]
