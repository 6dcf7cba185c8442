"""For comparison: how many batches the deferrable batch operator for OpenAI submits when its task is killed once.

    uv run --with apache-airflow-providers-openai python -m tests.bench.openai_batch_kills --cycles 3

It installs nothing by itself. The API is a small stand-in in this process, whose batches end four seconds after they
were submitted; Airflow is real, and the points of death are those of `tests/e2e/crash_matrix.py`. OpenAI's API takes no
key by which it would know a repeated submission, so what is submitted twice is worked on, and billed, twice.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.e2e.live import LiveAirflow
from tests.e2e.rest import until

DAG = "openai_kills"
POINTS = ("before-intent", "answer-unread", "id-recorded", "triggerer", "event-seen", "done")
SECONDS = 4.0


class Batches(ThreadingHTTPServer):
    """The part of the Batch API that the operator uses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.made: dict[str, tuple[str, float]] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def submit(self, file_id: str) -> str:
        """Take a batch, as often as it is asked for."""
        batch_id = f"batch_{len(self.made)}"
        self.made[batch_id] = (file_id, time.time())
        return batch_id

    def show(self, batch_id: str) -> dict[str, Any]:
        """A batch as the API shows it."""
        file_id, at = self.made[batch_id]
        status = "completed" if time.time() > at + SECONDS else "in_progress"
        fixed = {"object": "batch", "endpoint": "/v1/responses", "completion_window": "24h", "created_at": int(at)}
        return {"id": batch_id, "input_file_id": file_id, "status": status, **fixed}


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Batches

    def do_POST(self) -> None:
        """Submit."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._send(self.server.show(self.server.submit(body["input_file_id"])))

    def do_GET(self) -> None:
        """Look."""
        self._send(self.server.show(self.path.rpartition("/")[2]))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _send(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def kill_all(airflow: LiveAirflow, marks: Path, cycles: int) -> dict[str, str]:
    """Run one task for each point and cycle, and return how each run ended."""
    cases = [(point, f"{point}-{cycle}") for cycle in range(cycles) for point in POINTS if point != "triggerer"]
    waiting = [("triggerer", f"triggerer-{cycle}") for cycle in range(cycles)]
    for some in (waiting, cases):
        airflow.pause(DAG)
        for point, case in some:
            airflow.trigger(DAG, {"point": point, "case": case, "marks": str(marks)}, run_id=case)
        airflow.pause(DAG, False)
        if some is waiting:
            for _, case in some:
                airflow.wait_for_task(DAG, case, "work", {"deferred"})
                (marks / case).touch()
            airflow.kill("triggerer")
            airflow.start("triggerer")
        _wait(airflow, {case for _, case in some})
    return airflow.ended_runs()


def _wait(airflow: LiveAirflow, names: set[str]) -> None:
    until(lambda: names <= airflow.ended_runs().keys() or None, 900, airflow.tails)


def main(argv: Sequence[str] | None = None) -> int:
    """Print how many batches each task submitted."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.openai_batch_kills")
    parser.add_argument("--cycles", type=int, default=1, help="how often every point is tried (default: 1)")
    cycles: int = parser.parse_args(argv).cycles
    api = Batches()
    connection = json.dumps({"conn_type": "openai", "host": api.url, "password": "sk-stand-in"})
    with tempfile.TemporaryDirectory(prefix="openai-kills-") as folder:
        dags = Path(__file__).parent / "openai_dags"
        with LiveAirflow(dags=dags, connections={"openai_default": connection}) as airflow:
            ended = kill_all(airflow, Path(folder), cycles)
    _print(ended, Counter(file_id.removeprefix("file-") for file_id, _ in api.made.values()))
    return 0


def _print(ended: dict[str, str], submitted: Counter[str]) -> None:
    print(f"{'point of death':<16}{'tasks':>6}{'batches':>9}{'succeeded':>11}")
    for point in POINTS:
        cases = [case for case in ended if case.rpartition("-")[0] == point]
        batches, succeeded = sum(submitted[case] for case in cases), sum(ended[case] == "success" for case in cases)
        print(f"{point:<16}{len(cases):>6}{batches:>9}{succeeded:>11}")
    double = sum(count > 1 for count in submitted.values())
    print(f"kills={len(ended)} double={double} batches={sum(submitted.values())}")


if __name__ == "__main__":
    sys.exit(main())
