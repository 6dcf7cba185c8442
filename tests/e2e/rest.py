"""What a person does in the Airflow UI, through the same REST API (v2): trigger, look, clear, mark."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
FINISHED = frozenset({"success", "failed"})
_POLL_SECONDS = 0.5


class AirflowRest:
    """A client of one Airflow's public API.

    :param url: address of the API server, without a path
    """

    def __init__(self, url: str) -> None:
        self.url = url
        # Loopback only: a proxy from the environment would be asked for 127.0.0.1 otherwise.
        self._http = httpx.Client(base_url=f"{url}/api/v2", timeout=30, trust_env=False)

    def health(self) -> dict[str, dict[str, str | None]]:
        """What the health page says of each component; {} when nobody answers."""
        try:
            answer = self._http.get("/monitor/health")
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.is_success else {}

    def trigger(
        self, dag_id: str, conf: dict[str, Any] | None = None, *, run_id: str | None = None, timeout: float = 60
    ) -> str:
        """Start a run and return its id; waits until the DAG has been parsed.

        :param timeout: seconds the DAG may take to appear
        :raises TimeoutError: it did not; import errors are in the message
        """
        body = {"logical_date": None, "conf": conf or {}} | ({"dag_run_id": run_id} if run_id else {})

        def attempt() -> str | None:
            answer = self._http.post(f"/dags/{dag_id}/dagRuns", json=body)
            return None if answer.status_code == 404 else str(_checked(answer)["dag_run_id"])

        return until(attempt, timeout, lambda: f"DAG {dag_id} did not appear; import errors: {self.import_errors()}")

    def wait(self, dag_id: str, run_id: str, timeout: float = 120) -> str:
        """Wait for the end of a run and return its state.

        :param timeout: seconds
        :raises TimeoutError: it still runs; the states of its tasks are in the message
        """

        def ended() -> str | None:
            state = str(self.run(dag_id, run_id)["state"])
            return state if state in FINISHED else None

        return until(ended, timeout, lambda: f"run {run_id} of {dag_id} goes on: {self.states(dag_id, run_id)}")

    def wait_for_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Collection[str],
        *,
        map_index: int = -1,
        timeout: float = 60,
    ) -> dict[str, Any]:
        """Wait until a task instance is in one of some states and return it.

        :param timeout: seconds
        :raises TimeoutError: it never was; the states of all tasks are in the message
        """

        def there() -> dict[str, Any] | None:
            found = self.task_instance(dag_id, run_id, task_id, map_index=map_index)
            return found if found and found["state"] in states else None

        wanted = f"{task_id}[{map_index}] of {run_id} did not become {sorted(states)}"
        return until(there, timeout, lambda: f"{wanted}: {self.states(dag_id, run_id)}")

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run of a DAG."""
        return _checked(self._http.get(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def ended_runs(self, dag_id: str = "~") -> dict[str, str]:
        """The finished runs of a DAG, or of all: run id to state. One question for many runs.

        :param dag_id: `~` = of all DAGs
        """
        found: dict[str, str] = {}
        asked = 0
        while True:
            params: dict[str, Any] = {"limit": 100, "offset": asked, "state": sorted(FINISHED)}
            page = _checked(self._http.get(f"/dags/{dag_id}/dagRuns", params=params))
            found |= {run["dag_run_id"]: run["state"] for run in page["dag_runs"]}
            asked += len(page["dag_runs"])
            if not page["dag_runs"] or asked >= page["total_entries"]:
                return found

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run, each mapped one by itself."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"limit": 100, "offset": len(found)}
            page = _checked(self._http.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params=params))
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def task_instance(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> dict[str, Any] | None:
        """One task instance, or None before it exists (a mapped task has none until it was expanded)."""
        answer = self._http.get(f"{_task(dag_id, run_id, task_id)}/{map_index}")
        return None if answer.status_code == 404 else _checked(answer)

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """`task_id` or `task_id[map_index]` to state, for messages and comparisons."""
        return {_label(found): found["state"] for found in self.task_instances(dag_id, run_id)}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task pushed under a key, None when nothing."""
        params: dict[str, str | int] = {"map_index": map_index, "deserialize": "true"}
        answer = self._http.get(f"{_task(dag_id, run_id, task_id)}/xcomEntries/{key}", params=params)
        return None if answer.status_code == 404 else _checked(answer)["value"]

    def state_store(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """The task state store of a task instance: key to value."""
        params = {"map_index": map_index, "limit": 100}
        page = _checked(self._http.get(f"{_task(dag_id, run_id, task_id)}/state-store", params=params))
        return {entry["key"]: entry["value"] for entry in page["task_state_store"]}

    def logs(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """The log of one try as the UI shows it, secrets masked, one event a line."""
        params: dict[str, str | int] = {"map_index": map_index, "full_content": "true"}
        answer = self._http.get(f"{_task(dag_id, run_id, task_id)}/logs/{try_number}", params=params)
        return "\n".join(str(line) for line in _checked(answer)["content"])

    def links(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """The buttons of a task instance: label to address."""
        answer = self._http.get(f"{_task(dag_id, run_id, task_id)}/links", params={"map_index": map_index})
        return dict(_checked(answer)["extra_links"])

    def clear(
        self, dag_id: str, run_id: str, tasks: Sequence[str | tuple[str, int]], *, downstream: bool = False
    ) -> None:
        """Clear task instances of a run, whatever their state, as the Clear button does.

        :param tasks: task ids (all of a mapped task) or pairs of task id and map index
        """
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run_id,
            "task_ids": list(tasks),
            "include_downstream": downstream,
        }
        _checked(self._http.post(f"/dags/{dag_id}/clearTaskInstances", json=body))

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance, as "Mark as failed" does.

        :param state: "success", "failed" or "skipped"
        """
        where = _task(dag_id, run_id, task_id) + (f"/{map_index}" if map_index >= 0 else "")
        _checked(self._http.patch(where, json={"new_state": state}))

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a whole run "success", "failed" or "queued"."""
        _checked(self._http.patch(f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": state}))

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear all tasks of a run, as "Clear existing tasks" of the run does."""
        body = {"dry_run": False, "only_failed": False}
        _checked(self._http.post(f"/dags/{dag_id}/dagRuns/{run_id}/clear", json=body))

    def pause(self, pattern: str, paused: bool = True) -> None:
        """Pause or unpause DAGs; the runs of a paused DAG stay queued.

        :param pattern: part of the DAG ids
        """
        params: dict[str, str | int] = {"dag_id_pattern": pattern, "limit": 100}
        _checked(self._http.patch("/dags", params=params, json={"is_paused": paused}))

    def set_variable(self, key: str, value: str) -> None:
        """Make an Airflow variable."""
        _checked(self._http.post("/variables", json={"key": key, "value": value}))

    def add_connection(self, connection_id: str, connection: str) -> None:
        """Make a connection in the database, as the form in the UI does.

        :param connection: its fields, as JSON
        """
        body = {"connection_id": connection_id, **json.loads(connection)}
        _checked(self._http.post("/connections", json=body))

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run with all that Airflow knows of it."""
        _checked(self._http.delete(f"/dags/{dag_id}/dagRuns/{run_id}"))

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        """The schedulers, triggerers or DAG processors that Airflow takes for alive.

        :param kind: e.g. `TriggererJob`
        """
        params: dict[str, str | int] = {"job_type": kind, "is_alive": "true", "limit": 100}
        return list(_checked(self._http.get("/jobs", params=params))["jobs"])

    def import_errors(self) -> list[str]:
        """The tracebacks of DAG files that could not be imported."""
        return [error["stack_trace"] for error in _checked(self._http.get("/importErrors"))["import_errors"]]


def until(ask: Callable[[], T | None], timeout: float, complaint: Callable[[], str]) -> T:
    """Ask again and again until there is an answer.

    :param ask: returns None for "not yet"
    :param timeout: seconds
    :param complaint: makes the message of the TimeoutError
    :raises TimeoutError: none in time
    """
    deadline = time.monotonic() + timeout
    while (answer := ask()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {timeout} s: {complaint()}")
        time.sleep(_POLL_SECONDS)
    return answer


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"


def _label(found: dict[str, Any]) -> str:
    index = found["map_index"]
    return found["task_id"] if index < 0 else f"{found['task_id']}[{index}]"


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return dict(answer.json()) if answer.content else {}
