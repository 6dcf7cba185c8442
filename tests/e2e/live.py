"""A real Airflow of four processes (SQLite, LocalExecutor) in a folder of its own: to use, break and throw away."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from .process import Process, kill_all
from .rest import AirflowRest, until
from .settings import environment, free_port

if TYPE_CHECKING:
    from typing_extensions import Self

COMPONENTS = ("api-server", "scheduler", "triggerer", "dag-processor")
DAGS = Path(__file__).parent / "dags"
# Log servers listen on all interfaces and at fixed ports; the API server reads these logs from disk anyway.
_ARGUMENTS = {"scheduler": ["--skip-serve-logs"], "triggerer": ["--skip-serve-logs"]}


class LiveAirflow(AirflowRest):
    """Scheduler, triggerer, DAG processor and API server, each in its own session.

    Two of them can run beside each other. Leaving the `with` block ends exactly what it started.

    :param dags: folder of DAG files
    :param connections: connection id to URI or JSON; visible to every process, in no database
    :param variables: more environment variables for every process
    :param parallelism: how many tasks run at once
    :param database: a migrated SQLite file to copy (see `migrated_database`); None = migrate anew
    :param home: AIRFLOW_HOME to use and to keep; None = a temporary one, removed at the end
    """

    components: ClassVar[tuple[str, ...]] = COMPONENTS

    def __init__(
        self,
        *,
        dags: Path = DAGS,
        connections: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        parallelism: int = 4,
        database: Path | None = None,
        home: Path | None = None,
    ) -> None:
        port = free_port()
        super().__init__(f"http://127.0.0.1:{port}")
        self._temporary = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="live-airflow-"))
        self._database = database
        known = environment(self.home, dags=dags, port=port, parallelism=parallelism) | dict(variables or {})
        self.environment = known | {f"AIRFLOW_CONN_{i.upper()}": text for i, text in (connections or {}).items()}
        self.processes = {component: self._process(component) for component in self.components}

    def __enter__(self) -> Self:
        try:
            self._prepare_database()
            self.start(*self.components)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            sys.stderr.write(self.tails())
        self.close()

    def start(self, *components: str, timeout: float = 120) -> None:
        """Start components and wait until the health page calls them healthy.

        :param timeout: seconds
        :raises TimeoutError: they did not become healthy; the ends of their logs are in the message
        :raises RuntimeError: one ended by itself
        """
        started = datetime.now(timezone.utc)
        for component in components:
            self.processes[component].start()

        def healthy() -> bool | None:
            self._refuse_the_dead(components)
            return self._alive(components, started) or None

        until(healthy, timeout, lambda: f"not healthy: {self.health()}\n{self.tails()}")

    def stop(self, component: str, grace: float = 20) -> None:
        """Stop one component in good order, SIGKILL after the grace period (seconds)."""
        self.processes[component].stop(grace)

    def kill(self, component: str) -> None:
        """SIGKILL one component with every process it forked; for the scheduler: with its workers and tasks."""
        self.processes[component].kill()

    def kill_task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, *, worker: bool = False) -> int:
        """SIGKILL the process of a running task instance and return its pid.

        :param worker: kill the executor's worker above it first, so that nobody is left to report the death and
            Airflow has to notice the missing heartbeat
        :raises RuntimeError: the task instance has no living process of ours
        """
        found = self.task_instance(dag_id, run_id, task_id, map_index=map_index) or {}
        ours = {process.pid: process for process in self.processes["scheduler"].members()}
        task = ours.get(found.get("pid") or 0)
        if task is None:
            raise RuntimeError(f"{task_id}[{map_index}] has no process to kill: {found.get('state')=}")
        kill_all([ours[task.ppid()], task] if worker else [task])
        return int(task.pid)

    def close(self) -> None:
        """Stop everything, all at once, and remove the home if it was a temporary one."""
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + 15
        for process in self.processes.values():
            process.finish(deadline)
        self._http.close()
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def files(self) -> list[Path]:
        """Everything this Airflow left on disk: settings, database, logs of components, tasks and triggers."""
        return sorted(file for file in self.home.rglob("*") if file.is_file() and not file.is_symlink())

    def log_text(self) -> str:
        """All logs as they lie on disk: raw, before the UI masks anything."""
        return "\n".join(file.read_text(errors="replace") for file in self.files() if ".log" in file.name)

    def tails(self, lines: int = 15) -> str:
        """The ends of the components' logs, for messages."""
        return "\n".join(_tail(name, process.log, lines) for name, process in self.processes.items())

    def memory(self) -> dict[str, int]:
        """Bytes held by each component with everything it forked."""
        return {name: process.memory() for name, process in self.processes.items()}

    def _alive(self, components: Iterable[str], since: datetime) -> bool:
        health = self.health()
        return all(_beats(health, component, since) for component in components)

    def _process(self, component: str) -> Process:
        return Process(
            [sys.executable, "-m", "airflow", component, *_ARGUMENTS.get(component, [])],
            log=self.home / f"{component}.log",
            environment=self.environment,
            cwd=self.home,
        )

    def _prepare_database(self) -> None:
        target = self.home / "airflow.db"
        if self._database is None:
            _migrate(self.environment, self.home)
        elif not target.exists():
            shutil.copyfile(self._database, target)

    def _refuse_the_dead(self, components: Iterable[str]) -> None:
        for component in components:
            process = self.processes[component]
            if not process.running:
                raise RuntimeError(f"{component} ended by itself with code {process.exit_code}\n{self.tails()}")


def migrated_database(folder: Path) -> Path:
    """Make an empty Airflow database once, to be copied by many stacks.

    :param folder: an empty folder that is kept
    """
    _migrate(environment(folder, dags=folder, port=free_port(), parallelism=1), folder)
    return folder / "airflow.db"


def _beats(health: Mapping[str, Mapping[str, str | None]], component: str, since: datetime) -> bool:
    """Whether a component is alive now: for a while the page still shows the heartbeat of one that was killed."""
    if component == "api-server":
        return bool(health)
    name = component.replace("-", "_")
    heartbeat = health.get(name, {}).get(f"latest_{name}_heartbeat")
    return heartbeat is not None and datetime.fromisoformat(heartbeat) >= since


def _migrate(variables: Mapping[str, str], folder: Path) -> None:
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, env=dict(variables), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"airflow db migrate ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def _tail(name: str, log: Path, lines: int) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join([f"--- {name}", *text.splitlines()[-lines:]])
