"""All example DAGs in real Airflow on a bad network: `uv run python -m tests.e2e.fault_run --seeds 50`.

Undisturbed once, then once for each seed with a fifth of all answers disturbed and retries allowed. The states of all
tasks, the stored files by name, the links, the batches and the charges must be the same. Prints a line for each seed;
the exit code is 1 where anything differed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.conftest import HOME
from tests.e2e.disturbance import Disturbance

if TYPE_CHECKING:
    from airflow_provider_grok.sandbox.server import Sandbox

EXAMPLES = Path(__file__).parents[2] / "example_dags"
RETRIES = 80  # a try looks a minute for a lost answer; twenty of them are a video's recovery_wait
#: What a person or chance puts into names: tokens of purchases and digests of contents.
_MARK = re.compile(r"\.[0-9a-f]{12,14}(?=\.|$)")

_nap = time.sleep


def main(words: list[str] | None = None) -> int:
    """Run and compare; the exit code.

    :param words: the command line; that of the process by default.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first (default: %(default)s)")
    parser.add_argument("--only", default="*", help="glob of the example files (default: all)")
    parser.add_argument("--deferrable", action="store_true", help="wait in triggers, not in tasks")
    parser.add_argument("--log", type=Path, help="file for Airflow's own output (default: none)")
    options = parser.parse_args(words)
    # Read when the operators are imported, which is later.
    os.environ["AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE"] = str(options.deferrable)
    differences = 0
    with aside(options.log) as out, stage() as sandbox:
        files = sorted(EXAMPLES.glob(f"{options.only}.py"))
        expected = run_all(files, sandbox, Disturbance(0, share=0.0))
        tell(out, f"undisturbed: {summary(expected)}")
        for seed in range(options.start, options.start + options.seeds):
            differences += not same(out, seed, expected, files, sandbox)
        tell(out, f"seeds={options.seeds} differences={differences}")
    return int(differences > 0)


def same(out: IO[str], seed: int, expected: dict[str, Any], files: list[Path], sandbox: Sandbox) -> bool:
    """Run with one seed, and tell what came of it."""
    began, network = time.monotonic(), Disturbance(seed)
    found = run_all(files, sandbox, network)
    wrong = {key: found.get(key) for key in expected if found.get(key) != expected[key]}
    verdict = "same" if not wrong else "DIFFERENT"
    tell(
        out,
        f"seed={seed} {verdict} disturbed={network.struck}/{network.requests} {summary(found)} "
        f"seconds={time.monotonic() - began:.1f}",
    )
    for key, value in wrong.items():
        tell(out, f"  {key}: {difference(expected[key], value)}")
    return not wrong


def difference(expected: Any, found: Any) -> str:
    """What differs, in a line of the report."""
    if not isinstance(expected, dict):
        return f"expected {expected}, found {found}"
    keys = sorted(expected.keys() | found.keys(), key=str)
    return "; ".join(
        f"{key}: {expected.get(key)} became {found.get(key)}" for key in keys if expected.get(key) != found.get(key)
    )


def summary(found: dict[str, Any]) -> str:
    """A run in a few numbers."""
    tasks = sum(len(states) for key, states in found.items() if key.startswith("states of "))
    files, charges = sum(found["files"].values()), found["charges"]
    ticks = sum(ticks * count for (_, _, ticks), count in charges.items())
    return f"tasks={tasks} files={files} charges={sum(charges.values())} usd={ticks / 1e10:.2f}"


def tell(out: IO[str], line: str) -> None:
    """Say something at once."""
    out.write(line + "\n")
    out.flush()


@contextmanager
def aside(log: Path | None) -> Iterator[IO[str]]:
    """Send what Airflow writes to a file, or nowhere; gives what writes to the terminal as before."""
    sys.stdout.flush()
    terminal = os.dup(1)
    sink = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    kept = os.dup(2)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    try:
        with os.fdopen(terminal, "w", closefd=False) as out:
            yield out
    finally:
        sys.stdout.flush()
        os.dup2(terminal, 1)
        os.dup2(kept, 2)


@contextmanager
def stage() -> Iterator[Sandbox]:
    """A migrated database, and a quick sandbox behind the connection, whose time is the drivers' time."""
    from airflow.utils.db import initdb

    from airflow_provider_grok.api import wire
    from airflow_provider_grok.sandbox.server import Sandbox
    from tests.airflow_task import Time

    initdb()
    with Sandbox(strict=True, seed=1, image_seconds=0.01, video_seconds=0.01, batch_seconds=0.01) as sandbox:
        connection = {"conn_type": "grok", "host": sandbox.url, "password": sandbox.api_key}
        os.environ["AIRFLOW_CONN_GROK_DEFAULT"] = json.dumps(connection)
        virtual = Time(sandbox)
        for name in ("now", "sleep", "asleep"):
            setattr(wire.RealClock, name, staticmethod(getattr(virtual, name)))
        # `dag.test()` naps for a second where a task waits for its retry.
        time.sleep = lambda seconds: _nap(min(float(seconds), 0.02))
        try:
            yield sandbox
        finally:
            time.sleep = _nap
            shutil.rmtree(HOME, ignore_errors=True)


def run_all(files: list[Path], sandbox: Sandbox, network: Disturbance) -> dict[str, Any]:
    """Run all DAGs, one after the other, and say what they left."""
    sandbox.backend.reset()
    sandbox.clock.rate = 0
    sandbox.backend.faults = network
    found: dict[str, Any] = {}
    for file in files:
        found[f"states of {file.stem}"] = run(file, sandbox)
    network.share = 0.0
    return found | left_behind(sandbox)


def run(file: Path, sandbox: Sandbox) -> dict[str, str | None]:
    """The states in which the tasks of a DAG end, retries allowed."""
    from tests.dag_run import RunDag, load

    nobody: Any = Mute()
    test = RunDag(sandbox, nobody)

    dag = load(file)
    for task in dag.tasks:
        allow_retries(task)
    with tempfile.TemporaryDirectory(prefix="grok-archive-") as folder:
        # Nobody is here to approve: that task is taken as approved.
        finished = test(dag, conf={"archive": f"{folder}/"}, mark_success_pattern="approve")
    return finished.states


class Mute:
    """Stands where a test has what catches Airflow's output: here it goes elsewhere."""

    def readouterr(self) -> tuple[str, str]:
        """Nothing."""
        return "", ""


def allow_retries(task: Any) -> None:
    """Let a task, mapped or not, be tried again at once."""
    wanted = {"retries": RETRIES, "retry_delay": timedelta(milliseconds=1)}
    if hasattr(task, "partial_kwargs"):
        task.partial_kwargs.update(wanted)
    else:
        for name, value in wanted.items():
            setattr(task, name, value)


def left_behind(sandbox: Sandbox) -> dict[str, Any]:
    """Files, links, batches and charges, told without what chance made of them."""
    from urllib.request import urlopen

    sandbox.clock.advance(60)
    urlopen(f"{sandbox.url.removesuffix('/v1')}/_sandbox/ledger").close()  # shown when all that is due has ended
    rows = sandbox.backend.store.rows("SELECT filename, public_path IS NOT NULL AS shared FROM files WHERE deleted = 0")
    names = [(_MARK.sub(".*", row["filename"]), row["shared"]) for row in rows]
    return {
        "files": Counter(name for name, _ in names),
        "links": Counter(name for name, shared in names if shared),
        "batches": len(sandbox.backend.store.rows("SELECT id FROM batches")),
        "charges": Counter((one["endpoint"], one["model"], one["ticks"]) for one in sandbox.ledger.charges),
    }


if __name__ == "__main__":
    sys.exit(main())
