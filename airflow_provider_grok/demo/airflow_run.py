"""The demo's Airflow seen from outside: a child process that runs the DAG, its events, and its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_grok.demo.airflow_home import AirflowHome

#: Seconds that the process has to end by itself before it is killed.
GRACE = 10


class Failed(Exception):
    """The run did not succeed; the text says what failed, and where the log is."""


class AirflowRun:
    """One run of the main example, in a process that is gone when the `with` block ends.

    :param home: its Airflow home.
    :param conf: params of the run.
    :param log: file for Airflow's own output.
    """

    def __init__(self, home: AirflowHome, conf: dict[str, Any], *, log: Path) -> None:
        self._home = home
        self._conf = conf
        self._log = log
        self._failures: list[str] = []
        self._end: dict[str, Any] = {}

    def __enter__(self) -> AirflowRun:
        """Start it."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "airflow_provider_grok.demo.run_dag", str(writer)]
        command += [str(self._home.dag_file), json.dumps(self._conf), str(self._log.resolve())]
        command += ["--ui"] if self._home.ui else []
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self._home.environment,
                pass_fds=[writer],
                # Ctrl-C is for us; we then end it.
                start_new_session=True,
            )
        os.close(writer)
        self._events = os.fdopen(reader, encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, if it has not ended."""
        self._events.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def events(self) -> Iterator[dict[str, Any]]:
        """What happens, as it happens, until the process ends."""
        for line in self._events:
            event: dict[str, Any] = json.loads(line)
            if event.get("state") == "failed":
                self._failures.append(f"Task {event['task']} failed: {event['message']}")
            if "end" in event:
                self._end = event
            yield event
        self._process.wait()

    def receipts(self) -> list[dict[str, Any]]:
        """What the tasks noted, when all is over.

        :raises Failed: when the run was no success.
        """
        if self._end.get("end") == "success" and self._process.returncode == 0:
            receipts: list[dict[str, Any]] = self._end["receipts"]
            return receipts
        raise Failed("\n".join([*(self._failures or [self._end_of_log()]), f"Airflow's log: {self._log.resolve()}"]))

    def _end_of_log(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        tail = "\n".join(f"    {line}" for line in lines[-12:] if line.strip())
        state = self._end.get("end", "none")
        return f"Airflow ended with code {self._process.returncode}, state of the run: {state}. It said last:\n{tail}"
