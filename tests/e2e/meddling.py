"""A person at a live Airflow, and the books of the sandbox behind it: for tests of what clearing and marking cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_grok.api import batches, files, wire
from airflow_provider_grok.api.endpoint import Endpoint

from .live import LiveAirflow
from .rest import until
from .sandbox import KEY, SandboxProcess

_MADE = r"/v1/images/generations"


class Person:
    """Starts and meddles with runs of `dags/people.py`.

    :param airflow: the live Airflow
    :param sandbox: the sandbox that its connection names
    :param patience: seconds to wait for anything
    """

    def __init__(self, airflow: LiveAirflow, sandbox: SandboxProcess, *, patience: float = 60) -> None:
        self.airflow, self.sandbox, self.patience = airflow, sandbox, patience
        self._endpoint = Endpoint(base_url=sandbox.url, key=KEY)

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """The sandbox's time stands still, so whatever was submitted is not finished before the block is left."""
        self.sandbox.run_clock(0)
        try:
            yield
        finally:
            self.sandbox.run_clock(1)

    def start(self, dag: str, case: str, *, until_state: str | None = None, **conf: Any) -> str:
        """Start a run named after its case.

        :param until_state: wait until its task `work` is in this state
        """
        run = self.airflow.trigger(dag, {"case": case, **conf}, run_id=case)
        if until_state:
            self.airflow.wait_for_task(dag, run, "work", {until_state}, timeout=self.patience)
        return run

    def finished(self, dag: str, case: str, **conf: Any) -> str:
        """Start a run, and wait for its success."""
        run = self.start(dag, case, **conf)
        assert self.airflow.wait(dag, run) == "success"
        return run

    def record(self, dag: str, run: str) -> dict[str, Any]:
        """What the task remembers of its purchase, once it has a job."""

        def submitted() -> dict[str, Any] | None:
            kept = self.airflow.state_store(dag, run, "work").get("grok.purchase") or {}
            return kept if kept.get("job_id") else None

        return until(submitted, self.patience, lambda: f"{run} of {dag} has no job: {self.airflow.states(dag, run)}")

    def wait_until_watched(self, job_id: str) -> None:
        """Wait until somebody looks at a job again: here, a triggerer that has taken up its trigger."""
        path = rf"/v1/\w+/{job_id}"
        looks = len(self.sandbox.requests("GET", path))
        self.sandbox.wait_for_request("GET", path, count=looks + 1, timeout=self.patience)

    def again(self, dag: str, run: str, *, tries: int, map_index: int = -1) -> None:
        """Wait until a run has ended well, with its task's try number risen to `tries`."""

        def ended() -> bool | None:
            found = self.airflow.task_instance(dag, run, "work", map_index=map_index) or {}
            return (found.get("try_number"), found.get("state")) == (tries, "success") or None

        until(ended, self.patience + 30, lambda: f"{run} of {dag}, try {tries}: {self.airflow.states(dag, run)}")
        assert self.airflow.wait(dag, run) == "success"

    def billed(self, prompt: str) -> int:
        """How many pictures were bought whose prompt begins so."""
        sent = [entry for entry in self.sandbox.requests("POST", _MADE) if entry["status"] == 200]
        return sum(str(entry["json"]["prompt"]).startswith(f"{prompt} ") for entry in sent)

    def files(self, case: str) -> set[str]:
        """The stored files of a case."""
        found = wire.run(self._endpoint, files.listing())
        return {file.id for file in found if file.filename.startswith(f"{case}.")}

    def batches(self, case: str) -> list[batches.Batch]:
        """The batches of a case, newest first."""
        found = wire.run(self._endpoint, batches.listing())
        return [batch for batch in found if batch.name.startswith(f"{case}.")]

    def wait_until_stored(self, case: str, count: int = 1) -> None:
        """Wait until xAI has stored so many results of a case, whether or not anybody waits for them."""
        until(lambda: len(self.files(case)) >= count or None, self.patience, lambda: f"{case} has {self.files(case)}")
