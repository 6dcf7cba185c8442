"""Addresses of the plugin's own pages, below whatever path Airflow lives at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from airflow_provider_grok.ui.receipts import Place


@dataclass(frozen=True)
class Paths:
    """Makes addresses; a run's id stands last, for it is the only one that may hold a slash.

    :param root: where the plugin is mounted, without a slash at the end.
    """

    root: str

    def static(self, name: str) -> str:
        """A file of the page itself."""
        return f"{self.root}/static/{quote(name)}"

    def latest(self) -> str:
        """The latest runs."""
        return f"{self.root}/gallery"

    def dag(self, dag_id: str) -> str:
        """The gallery of a DAG."""
        return f"{self.root}/gallery/dags/{_quoted(dag_id)}"

    def run(self, dag_id: str, run_id: str) -> str:
        """The gallery of a run."""
        return f"{self.dag(dag_id)}/run/{_quoted(run_id)}"

    def task(self, place: Place) -> str:
        """The gallery of a task instance."""
        return f"{self.dag(place.dag_id)}/{_task(place)}"

    def gallery(self, place: Place) -> str:
        """The gallery of a task instance, a run or a DAG, by what of it is named.

        :param place: with an empty task id: the run; with an empty run id too: the DAG.
        """
        if place.task_id:
            return self.task(place)
        return self.run(place.dag_id, place.run_id) if place.run_id else self.dag(place.dag_id)

    def preview(self, place: Place, file_id: str) -> str:
        """A stored file of a task instance, through the API server."""
        return f"{self.root}/previews/dags/{_quoted(place.dag_id)}/files/{_quoted(file_id)}/{_task(place)}"

    def spend(self, dag_id: str | None = None, ending: str = "") -> str:
        """Spend, of all DAGs or of one.

        :param dag_id: only this DAG.
        :param ending: `.csv` for the table as a file.
        """
        if dag_id is None:
            return f"{self.root}/spend{ending}"
        return f"{self.root}/spend/dags/{_quoted(dag_id)}{ending and '/table.csv'}"

    @staticmethod
    def with_query(path: str, query: Mapping[str, object], **changed: object) -> str:
        """An address with parameters; empty ones are left out.

        :param path: the address.
        :param query: the parameters.
        :param changed: parameters that replace them.
        """
        left = {key: value for key, value in {**query, **changed}.items() if value not in (None, "")}
        return f"{path}?{urlencode(left)}" if left else path

    @staticmethod
    def in_airflow(place: Place) -> str:
        """Airflow's own page of a task instance, from the root of the UI."""
        mapped = f"/mapped/{place.map_index}" if place.map_index >= 0 else ""
        return f"dags/{_quoted(place.dag_id)}/runs/{_quoted(place.run_id)}/tasks/{_quoted(place.task_id)}{mapped}"


def _task(place: Place) -> str:
    return f"task/{_quoted(place.task_id)}/{place.map_index}/run/{_quoted(place.run_id)}"


def _quoted(part: str) -> str:
    # Airflow follows where its frame goes and compares addresses as they are written: what may stand in a path as it
    # is, as in most ids of runs, stays as it is, or the page would be loaded twice.
    return quote(part, safe=":+@")
