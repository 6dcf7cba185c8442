"""Running a DAG by `dag.test()` against a sandbox, and what came of it: states, XComs, requests, charges, log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from airflow.sdk import DAG

    from airflow_provider_grok.sandbox.server import Sandbox

#: The name of Airflow's own bundle for the DAGs folder.
BUNDLE = "dags-folder"


@dataclass(frozen=True)
class Finished:
    """A run that ended.

    :param state: of the run: success or failed.
    :param run_id: of the run.
    :param states: by task, or by `task[map index]`.
    :param journal: the requests of this run alone.
    :param charges: the charges of this run alone.
    :param log: what was logged while it ran.
    :param xcoms: by task as in `states`, and key.
    """

    state: str
    run_id: str
    states: dict[str, str | None]
    journal: list[dict[str, Any]]
    charges: list[dict[str, Any]]
    log: str
    xcoms: dict[tuple[str, str], Any]

    def xcom(self, task: str, key: str = "return_value") -> Any:
        """A value that a task pushed; None where it did not.

        :param task: task id, or `task_id[map index]`.
        :param key: XCom key.
        """
        return self.xcoms.get((task, key))

    def requests(self, method: str, path: str) -> list[dict[str, Any]]:
        """The requests with a method and a path.

        :param method: such as POST.
        :param path: from `/v1` on.
        """
        return [one for one in self.journal if (one["method"], one["path"]) == (method, path)]


class RunDag:
    """Runs DAGs against one sandbox.

    :param sandbox: the sandbox that the connection `grok_default` names.
    :param capture: what catches Airflow's output.
    """

    def __init__(self, sandbox: Sandbox, capture: pytest.CaptureFixture[str]) -> None:
        self.sandbox = sandbox
        self._capture = capture

    def __call__(self, dag: DAG | Path, *, conf: dict[str, Any] | None = None, **options: Any) -> Finished:
        """Run a DAG to its end.

        :param dag: a DAG, or a file that holds one.
        :param conf: its params.
        :param options: more of `dag.test()`.
        """
        dag = load(dag) if isinstance(dag, Path) else dag
        _sync(dag)
        requests, charges = len(self.sandbox.journal), len(self.sandbox.ledger.charges)
        self._capture.readouterr()
        run: Any = dag.test(run_conf=conf, **options)
        states, xcoms = _outcome(run)
        return Finished(
            str(run.state),
            run.run_id,
            states,
            self.sandbox.journal[requests:],
            self.sandbox.ledger.charges[charges:],
            "".join(self._capture.readouterr()),
            xcoms,
        )


def load(file: Path) -> DAG:
    """The one DAG of a file, read as Airflow reads it.

    :param file: a DAG file.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=file, bundle_path=file.parent, bundle_name=BUNDLE)
    assert not bag.import_errors, bag.import_errors
    (dag,) = bag.dags.values()
    return dag


def missed_runs(dag_id: str) -> bool:
    """Whether the scheduler would start a run at once for a time that is over, if the DAG were unpaused.

    :param dag_id: a DAG that has been run here.
    """
    from airflow.models.dag import DagModel
    from airflow.sdk.timezone import utcnow
    from airflow.utils.session import create_session

    with create_session() as session:
        dag = session.get(DagModel, dag_id)
        assert dag is not None and dag.next_dagrun_create_after is not None
        return bool(dag.next_dagrun_create_after <= utcnow())


def _sync(dag: DAG) -> None:
    """Write a DAG into the database, where `dag.test()` looks for its version."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = DagBag(dag_folder="", collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, BUNDLE, None)


def _outcome(run: Any) -> tuple[dict[str, str | None], dict[tuple[str, str], Any]]:
    """States and XComs of a run, out of the database."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def spell(task_id: str, map_index: int) -> str:
        return task_id if map_index < 0 else f"{task_id}[{map_index}]"

    with create_session() as session:
        states = {spell(ti.task_id, ti.map_index): ti.state for ti in run.get_task_instances(session=session)}
        query = select(XComModel).where(XComModel.dag_id == run.dag_id, XComModel.run_id == run.run_id)
        xcoms = {
            (spell(row.task_id, row.map_index), row.key): XComModel.deserialize_value(row)
            for row in session.scalars(query)
        }
    return states, xcoms
