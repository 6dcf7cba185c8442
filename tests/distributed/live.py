"""A distributed Airflow as its users run it: Celery workers and triggerers, two of each, Redis and Postgres."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.live import LiveAirflow
from tests.e2e.process import Process
from tests.e2e.rest import until

from .broker import Broker
from .database import Database

DAGS = Path(__file__).parent / "dags"
ROOT = Path(__file__).parents[2]
TRIGGERERS = ("triggerer-1", "triggerer-2")
WORKERS = ("worker-1", "worker-2")
#: Seconds to wait for anything: two cores carry a dozen processes here.
PATIENCE = 180
_SINGLE = ("api-server", "scheduler", "dag-processor")
_COMMANDS = {
    "worker": ["celery", "worker", "--without-mingle", "--without-gossip"],
    "triggerer": ["triggerer"],
    "scheduler": ["scheduler"],
}


class DistributedAirflow(LiveAirflow):
    """Seven processes on machines of their own, as far as one machine can show: home, logs and host name differ.

    :param database: the metadata database, empty
    :param broker: what tasks go through
    :param home: folder with one home for each machine; it is kept
    """

    components = (*_SINGLE, *TRIGGERERS, *WORKERS)

    def __init__(self, *, database: Database, broker: Broker, home: Path) -> None:
        self._postgres = database
        settings = {
            "core__executor": "CeleryExecutor",
            "core__hostname_callable": "tests.distributed.machine.name",
            "database__sql_alchemy_conn": f"postgresql+psycopg2://{database.address}",
            "celery__broker_url": broker.url,
            "celery__result_backend": f"db+postgresql+psycopg2://{database.address}",
            "celery__worker_concurrency": "2",
            # Handing over a task may take more than the usual second where everything happens on two cores.
            "celery__operation_timeout": "20",
        }
        variables = {f"AIRFLOW__{name.upper()}": value for name, value in settings.items()}
        variables |= {"PYTHONPATH": str(ROOT), "MACHINE": "localhost"}
        super().__init__(dags=DAGS, variables=variables, home=home)

    def start(self, *components: str, timeout: float = 300) -> None:
        """Start machines and wait until each gives a sign of life."""
        super().start(*components, timeout=timeout)

    @contextmanager
    def dead(self, machine: str) -> Iterator[None]:
        """SIGKILL a machine's processes, a worker's with its tasks, and start it again at the end."""
        self.kill(machine)
        try:
            yield
        finally:
            self.start(machine)

    @contextmanager
    def frozen(self, machine: str) -> Iterator[None]:
        """A machine hangs, and goes on at the end."""
        process = self.processes[machine]

        def hang() -> bool | None:
            process.freeze()
            # The locks of a transaction would hang with it, and hold up the others.
            if not self._postgres.busy(machine):
                return True
            process.thaw()
            return None

        until(hang, PATIENCE, lambda: f"{machine} is always in a transaction")
        try:
            yield
        finally:
            process.thaw()

    def worker_of(self, dag: str, run: str, task: str = "work") -> str:
        """The worker that a running task instance is on."""
        return str((self.task_instance(dag, run, task) or {})["hostname"])

    def triggerer_of(self, dag: str, run: str, task: str = "work") -> str | None:
        """The triggerer that a deferred task instance was given to."""
        found = self.task_instance(dag, run, task) or {}
        return (found.get("triggerer_job") or {}).get("hostname")

    def wait_for_triggerer(self, name: str, dag: str, run: str) -> None:
        """Wait until a deferred task instance has been given to a triggerer."""

        def there() -> bool | None:
            return self.triggerer_of(dag, run) == name or None

        until(there, PATIENCE, lambda: f"{run} of {dag} is on {self.triggerer_of(dag, run)}, not on {name}")

    def wait_for_other_worker(self, first: str, dag: str, run: str) -> str:
        """Wait until another worker runs a task again, and return its name."""

        def again() -> str | None:
            found: dict[str, Any] = self.task_instance(dag, run, "work") or {}
            there = found.get("state") == "running" and found.get("try_number", 0) > 1
            return str(found["hostname"]) if there and found["hostname"] != first else None

        return until(again, PATIENCE, lambda: f"{run} of {dag} was not tried again: {self.states(dag, run)}")

    def machine_log(self, machine: str, run: str, task: str = "work") -> str:
        """What a task's tries wrote on one machine; "" if it was never there."""
        logs = (self.home / machine).rglob(f"run_id={run}/task_id={task}/**/*.log*")
        return "\n".join(file.read_text(errors="replace") for file in sorted(logs))

    def _alive(self, components: Iterable[str], since: datetime) -> bool:
        single = [component for component in components if component in _SINGLE]
        doubles = [component for component in components if component not in _SINGLE]
        return super()._alive(single, since) and all(self._gives_a_sign(machine, since) for machine in doubles)

    def _gives_a_sign(self, machine: str, since: datetime) -> bool:
        if machine in WORKERS:
            return f"celery@{machine} ready" in self.processes[machine].output()
        beats = [job["latest_heartbeat"] for job in self.jobs("TriggererJob") if job["hostname"] == machine]
        return any(datetime.fromisoformat(beat) >= since for beat in beats)

    def _process(self, component: str) -> Process:
        home = self.home / component
        home.mkdir()
        own = {"AIRFLOW_HOME": str(home), "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs")}
        return Process(
            [sys.executable, "-m", "airflow", *_command(component)],
            log=home / f"{component}.log",
            environment=self.environment | own | {"MACHINE": component, "PGAPPNAME": component},
            cwd=home,
        )


def _command(component: str) -> list[str]:
    """What a component is started with; the servers of logs listen on all interfaces, so there are none."""
    kind = component.partition("-")[0]
    if kind not in _COMMANDS:
        return [component]
    named = ["--celery-hostname", component] if kind == "worker" else []
    return [*_COMMANDS[kind], "--skip-serve-logs", *named]
