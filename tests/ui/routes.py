"""Every route of the plugin, as a reader asks for it, and two DAGs with the same content to ask for."""

from __future__ import annotations

from dataclasses import dataclass

from . import seeding

RUN = "manual__2026-11-20T12:00:00+00:00"
TASK = "edit"


@dataclass(frozen=True)
class Route:
    """A route.

    :param template: its path as the app has it.
    """

    template: str

    @property
    def names_a_dag(self) -> bool:
        """Whether a DAG stands in its path."""
        return "{dag_id}" in self.template

    def of(self, dag_id: str) -> str:
        """The path for a DAG."""
        values = {"dag_id": dag_id, "file_id": f"file_{dag_id}", "run_id:path": RUN, "task_id": TASK, "map_index": "-1"}
        path = self.template
        for name, value in (values | {"name": "style.css"}).items():
            path = path.replace(f"{{{name}}}", value)
        return f"/grok{path}"


ROUTES = tuple(
    map(
        Route,
        (
            "/gallery",
            "/gallery/dags/{dag_id}",
            "/gallery/dags/{dag_id}/run/{run_id:path}",
            "/gallery/dags/{dag_id}/task/{task_id}/{map_index}/run/{run_id:path}",
            "/previews/dags/{dag_id}/files/{file_id}/task/{task_id}/{map_index}/run/{run_id:path}",
            "/spend",
            "/spend.csv",
            "/spend/dags/{dag_id}",
            "/spend/dags/{dag_id}/table.csv",
            "/static/{name}",
        ),
    )
)


def add_two_dags() -> None:
    """DAGs `alpha` and `beta`, each with one run and one result, each of a team of its own."""
    for dag_id in ("alpha", "beta"):
        seeding.add_dag(dag_id, team=f"team_{dag_id}")
        seeding.add_run(dag_id, RUN)
        told = seeding.receipt(seeding.file_row(f"file_{dag_id}"), prompt=f"secret of {dag_id}")
        seeding.add_task(dag_id, RUN, TASK, {"receipt": told, "return_value": f"file_{dag_id}"})
