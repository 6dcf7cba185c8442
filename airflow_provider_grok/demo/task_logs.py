"""Logs of the tasks of a `dag.test()` where Airflow's UI looks for them: by itself it writes them to stdout only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


class TaskLogs:
    """Cuts the output of this process into one file for each task instance.

    :param output: the file to which stdout goes.
    :param folder: Airflow's `[logging] base_log_folder`; its files are named by the default `log_filename_template`.
    """

    def __init__(self, output: Path, folder: Path) -> None:
        self._output = output
        self._folder = folder
        self._file: Path | None = None
        self._start = 0

    def begin(self, task_instance: Any) -> None:
        """Note that a task begins, which ends the one before.

        :param task_instance: with `dag_id`, `run_id`, `task_id`, `map_index`, `try_number`.
        """
        self.end()
        ti = task_instance
        parts = [f"dag_id={ti.dag_id}", f"run_id={ti.run_id}", f"task_id={ti.task_id}"]
        parts += [f"map_index={ti.map_index}"] if ti.map_index >= 0 else []
        self._file = self._folder.joinpath(*parts, f"attempt={ti.try_number}.log")
        self._start = self._position()

    def end(self) -> None:
        """Write what was said since the task began."""
        if self._file is None:
            return
        with self._output.open("rb") as said:
            said.seek(self._start)
            text = said.read(self._position() - self._start)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(text)
        self._file = None

    @staticmethod
    def _position() -> int:
        sys.stdout.flush()
        return os.lseek(1, 0, os.SEEK_CUR)
