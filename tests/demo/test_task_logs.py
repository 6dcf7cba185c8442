"""Logs of tasks: what was said from the beginning of one to the beginning of the next, where Airflow looks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from airflow_provider_grok.demo.task_logs import TaskLogs

def task(name, index=-1):
    return SimpleNamespace(dag_id="d", run_id="r", task_id=name, map_index=index, try_number=1)

logs = TaskLogs(Path(sys.argv[1]), Path(sys.argv[2]))
print("before")
logs.begin(task("first"))
print("one")
logs.begin(task("second", 3))
print("two")
logs.end()
print("after")
logs.end()
"""


def test_each_task_gets_what_was_said_while_it_ran(tmp_path: Path) -> None:
    output, folder = tmp_path / "airflow.log", tmp_path / "logs"
    with output.open("wb") as sink:
        subprocess.run([sys.executable, "-c", CODE, str(output), str(folder)], stdout=sink, check=True)
    run = folder / "dag_id=d" / "run_id=r"
    assert (run / "task_id=first" / "attempt=1.log").read_text() == "one\n"
    assert (run / "task_id=second" / "map_index=3" / "attempt=1.log").read_text() == "two\n"
