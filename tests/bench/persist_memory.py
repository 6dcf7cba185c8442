"""What persisting a batch of links costs a worker: memory over its own, seconds, and seconds of a worker's slot.

Run as `python -m tests.bench.persist_memory [requests]`; prints one line of JSON. The results lie on links only, so
every byte passes through this process.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.sandbox_process import KEY, sandbox_process


def memory(field: str) -> float:
    """A figure of this process's memory, in MB.

    :param field: VmRSS (now) or VmHWM (the most so far).
    """
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) / 1024


def measure(control: str, count: int, *, deferrable: bool) -> dict[str, Any]:
    """Submit a batch, persist it, and say what that took.

    :param control: the sandbox's control interface.
    :param count: requests.
    :param deferrable: wait in a trigger instead of in place.
    """
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_provider_grok.operators.batches import generate_image
    from tests.batch_run import persisting, pull, submission

    # A task of one picture first: what every task of this kind loads is not what five hundred results cost.
    warm = submission([generate_image("warm", prompt="x")], of={"run_id": "warm"}).execute()
    httpx.post(f"{control}/clock", json={"advance": 3000}).raise_for_status()
    persisting(warm).execute()
    requests = [generate_image(f"row-{number}", prompt=f"bike {number}") for number in range(count)]
    batch = submission(requests).execute()
    Path("/proc/self/clear_refs").write_text("5")
    before, began, slot = memory("VmRSS"), time.monotonic(), 0.0
    run, event, kept = persisting(batch, deferrable=deferrable), None, None
    while kept is None:
        slice_began = time.monotonic()
        try:
            kept = run.resume(event) if event else run.execute()
        except TaskDeferred as deferred:
            run.deferred = deferred
        slot += time.monotonic() - slice_began
        if kept is None and run.deferred:
            event = pull(run.deferred.trigger)
    return {
        "requests": count,
        "deferrable": deferrable,
        "kept": len(set(kept)),
        "growth_mb": round(memory("VmHWM") - before, 1),
        "seconds": round(time.monotonic() - began, 1),
        "slot_seconds": round(slot, 1),
    }


def main(count: int, seconds: float, deferrable: bool) -> dict[str, Any]:
    """Measure against a sandbox that stores nothing itself.

    :param count: requests.
    :param seconds: that the batch takes.
    :param deferrable: wait in a trigger instead of in place.
    """
    with sandbox_process("--no-batch-storage", "--batch-seconds", str(seconds)) as url:
        connection = {"conn_type": "grok", "host": url, "password": KEY}
        os.environ["AIRFLOW_CONN_GROK_DEFAULT"] = json.dumps(connection)
        return measure(url.removesuffix("/v1") + "/_sandbox", count, deferrable=deferrable)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    wait = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    sys.stdout.write(json.dumps(main(number, wait, deferrable=wait > 0)) + "\n")
