"""What one edit costs a worker, beside another release: requests and CPU, in interleaved rounds of one run.

Run as `python -m tests.bench.task [--json] [folder of another checkout ...]`. Each round runs every release once, in a
process of its own, against a fresh sandbox; the figures are medians over the rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]
ROUNDS, EDITS = 5, 20


def measure() -> dict[str, Any]:
    """Edit one stored picture some times in this process, and say what an edit took."""
    import httpx

    from airflow_provider_grok.hooks.grok import GrokHook
    from airflow_provider_grok.operators.images import GrokImagineEditOperator
    from tests.airflow_task import TaskRun

    source = GrokHook().upload(str(HERE / "example_dags" / "photos" / "coffee.png"))

    def edit(number: int) -> float:
        run = TaskRun(GrokImagineEditOperator, of={"run_id": f"run-{number}"}, prompt=f"in blue {number}", image=source)
        began = time.process_time()
        run.execute()
        return time.process_time() - began

    first = edit(0)
    rest = [edit(number) for number in range(1, EDITS + 1)]
    control = os.environ["BENCH_SANDBOX"].removesuffix("/v1") + "/_sandbox/journal"
    journal = httpx.get(control).json()["requests"]
    shapes = Counter(f"{one['method']} {_shape(one['path'])}" for one in journal)
    return {
        "first_cpu_ms": round(first * 1000, 1),
        "cpu_ms": round(statistics.median(rest) * 1000, 1),
        "requests": {shape: round(count / (EDITS + 1), 2) for shape, count in sorted(shapes.items())},
    }


def _shape(path: str) -> str:
    """A path without its ids."""
    return "/".join("{id}" if "-" in part and any(c.isdigit() for c in part) else part for part in path.split("/"))


def alone() -> dict[str, Any]:
    """Measure in this process, against a sandbox in another."""
    from tests.bench.sandbox_process import KEY, sandbox_process

    with sandbox_process("--image-seconds", "0") as url:
        os.environ["BENCH_SANDBOX"] = url
        os.environ["AIRFLOW_CONN_GROK_DEFAULT"] = json.dumps({"conn_type": "grok", "host": url, "password": KEY})
        return measure()


def compare(folders: list[Path]) -> dict[str, dict[str, Any]]:
    """Measure several checkouts, one after the other, round by round.

    :param folders: roots of checkouts.
    """
    rounds: dict[str, list[dict[str, Any]]] = {folder.name: [] for folder in folders}
    for _ in range(ROUNDS):
        for folder in folders:
            environment = {**os.environ, "PYTHONPATH": str(folder)}
            # This very file, for another release may not have it.
            command = [sys.executable, str(Path(__file__).resolve()), "--alone"]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)
            rounds[folder.name].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: {
            **{key: statistics.median(one[key] for one in found) for key in ("first_cpu_ms", "cpu_ms")},
            "requests": found[0]["requests"],
        }
        for name, found in rounds.items()
    }


def main(arguments: list[str]) -> None:
    """Print the comparison: a table for people, JSON for programs.

    :param arguments: the command line.
    """
    folders = [HERE, *(Path(one).resolve() for one in arguments if not one.startswith("--"))]
    found = compare(folders)
    if "--json" in arguments:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    ours = found[HERE.name]
    for name, figures in found.items():
        ratio = figures["cpu_ms"] / ours["cpu_ms"]
        sys.stdout.write(
            f"{name}: first edit {figures['first_cpu_ms']:.0f} ms CPU, each {figures['cpu_ms']:.1f} ms CPU "
            f"({ratio:.2f} x this one), requests an edit {figures['requests']}\n"
        )


if __name__ == "__main__":
    if "--alone" in sys.argv:
        sys.stdout.write(json.dumps(alone()) + "\n")
    else:
        main(sys.argv[1:])
