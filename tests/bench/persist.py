"""What submitting and persisting a large batch costs a worker, beside another release: memory, CPU and seconds.

Run as `python -m tests.bench.persist [requests] [folder of another checkout ...]`. Each release runs in a process of
its own against a fresh sandbox whose batches store their results; prints one line of JSON for each.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]


def measure(count: int) -> dict[str, Any]:
    """Submit a batch and persist it, and say what that took.

    :param count: requests.
    """
    from airflow_provider_grok.operators.batches import generate_image
    from tests.batch_run import persisting, submission

    # A task of one picture first: what every task of this kind loads is not what thousands of results cost.
    persisting(submission([generate_image("warm", prompt="x")], of={"run_id": "warm"}).execute()).execute()
    requests = [generate_image(f"row-{number}", prompt=f"bike {number}") for number in range(count)]
    figures: dict[str, Any] = {"requests": count}
    batch = ""
    for step in ("submit", "persist"):
        memory, cpu, began = peak(), time.process_time(), time.monotonic()
        if step == "submit":
            batch = submission(requests).execute()
        else:
            figures["kept"] = len(set(persisting(batch).execute()))
        figures[step] = {
            "growth_mb": round(peak() - memory, 1),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "seconds": round(time.monotonic() - began, 1),
        }
    return figures


def peak() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(count: int) -> dict[str, Any]:
    """Measure in this process, against a sandbox in another.

    :param count: requests.
    """
    from tests.bench.sandbox_process import KEY, sandbox_process

    with sandbox_process("--batch-seconds", "0") as url:
        connection = {"conn_type": "grok", "host": url, "password": KEY}
        os.environ["AIRFLOW_CONN_GROK_DEFAULT"] = json.dumps(connection)
        return measure(count)


def compare(count: int, folders: list[Path]) -> None:
    """Measure several checkouts, one after the other.

    :param count: requests.
    :param folders: roots of checkouts.
    """
    for folder in folders:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        # This very file, for another release may not have it.
        command = [sys.executable, str(Path(__file__).resolve()), "--alone", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)
        sys.stdout.write(f"{folder.name}: {done.stdout.splitlines()[-1]}\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        sys.path[0] = str(Path.cwd())
        sys.stdout.write(json.dumps(main(int(sys.argv[2]))) + "\n")
    else:
        number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
        compare(number, [HERE, *(Path(folder).resolve() for folder in sys.argv[2:])])
