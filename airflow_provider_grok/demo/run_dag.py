"""The part of the demo that is Airflow: a process that makes a database, runs the DAG, and tells what happens.

`python -m airflow_provider_grok.demo.run_dag FD FILE CONF LOG [--ui]`: events go to the file descriptor as lines of
JSON; Airflow's own output goes to stdout, which is the file LOG. With `--ui` the database gets what Airflow's UI shows:
the connection, and the logs of the tasks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from airflow.listeners import hookimpl

from airflow_provider_grok.demo.airflow_home import CONNECTION_VARIABLE
from airflow_provider_grok.demo.task_logs import TaskLogs

if TYPE_CHECKING:
    from airflow.sdk import DAG

BUNDLE = "dags-folder"  # Airflow's own name for the DAGs folder


class EventWriter:
    """A listener that tells of every task as it ends.

    :param out: where to.
    :param logs: where the logs of tasks go besides.
    """

    def __init__(self, out: TextIO, logs: TaskLogs | None = None) -> None:
        self._out = out
        self._logs = logs
        self._began = time.monotonic()

    def write(self, **event: Any) -> None:
        """Write one event.

        :param event: its fields.
        """
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()

    def _task(self, task_instance: Any, state: str, message: str = "") -> None:
        seconds = round(time.monotonic() - self._began, 2)
        label = str(getattr(task_instance.task, "prompt", ""))
        self.write(
            task=spell(task_instance.task_id, task_instance.map_index),
            state=state,
            seconds=seconds,
            label=label,
            message=message,
        )

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        """Remember when it began: in `dag.test()` one task runs after the other."""
        self._began = time.monotonic()
        if self._logs:
            self._logs.begin(task_instance)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """Tell of a success."""
        self._task(task_instance, "success")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """Tell of a task that skipped itself."""
        self._task(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """Tell of a failure, and why."""
        self._task(task_instance, "failed", str(error or "the log says why"))


def spell(task_id: str, map_index: int) -> str:
    """A task instance as people write it: `edit[3]`.

    :param task_id: task id.
    :param map_index: the index of a mapped task, or -1.
    """
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def load(file: Path) -> DAG:
    """The one DAG of a file.

    :param file: a DAG file.
    :raises RuntimeError: when it cannot be read.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=file, bundle_path=file.parent, bundle_name=BUNDLE)
    if bag.import_errors or len(bag.dags) != 1:
        raise RuntimeError(f"{file} does not hold one DAG: {bag.import_errors or [*bag.dags]}")
    (dag,) = bag.dags.values()
    return dag


def receipts(dag: DAG, run: Any) -> list[dict[str, Any]]:
    """What each task instance of a run noted in its receipt, in the DAG's order.

    :param dag: the DAG.
    :param run: its run.
    """
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    order = [task.task_id for task in dag.topological_sort()]  # type: ignore[no-untyped-call]
    query = select(XComModel).where(
        XComModel.dag_id == run.dag_id, XComModel.run_id == run.run_id, XComModel.key == "receipt"
    )
    with create_session() as session:
        found = sorted(session.scalars(query), key=lambda row: (order.index(row.task_id), row.map_index))
        return [
            {"task": spell(row.task_id, row.map_index), "receipt": XComModel.deserialize_value(row)} for row in found
        ]


def store_connection() -> None:
    """Put the connection of the environment into the database, where Admin -> Connections shows it."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    connection = Connection.from_json(os.environ[CONNECTION_VARIABLE], conn_id="grok_default")
    connection.description = "Made by airflow-grok demo; gone when it ends."
    with create_session() as session:
        session.add(connection)


def main(out: TextIO, file: Path, conf: dict[str, Any], log: Path, *, ui: bool) -> int:
    """Run a DAG file's DAG and return the exit code.

    :param out: where events go.
    :param file: the DAG file.
    :param conf: params of the run.
    :param log: the file to which stdout goes.
    :param ui: whether Airflow's UI will show the run.
    """
    from airflow import __version__
    from airflow.configuration import conf as settings
    from airflow.sdk.listener import get_listener_manager
    from airflow.utils.db import initdb

    logs = TaskLogs(log, Path(settings.get("logging", "base_log_folder"))) if ui else None
    writer = EventWriter(out, logs)
    initdb()
    if ui:
        store_connection()
    writer.write(step=f"Airflow {__version__} with a database of its own")
    dag = load(file)
    writer.write(step=f"DAG {dag.dag_id}: {len(dag.tasks)} tasks, some of them mapped")
    get_listener_manager().add_listener(writer)  # type: ignore[no-untyped-call]
    run: Any = dag.test(run_conf=conf)
    if logs:
        logs.end()
    writer.write(end=str(run.state), run_id=run.run_id, receipts=receipts(dag, run))
    return 0 if run.state == "success" else 1


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as events:
        _, _, dag_file, run_conf, log_file, *flags = sys.argv
        sys.exit(main(events, Path(dag_file), json.loads(run_conf), Path(log_file), ui="--ui" in flags))
