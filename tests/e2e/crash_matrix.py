"""Kill tasks at every point of their lives in a real Airflow, let it retry, and count what was paid and what is there.

    uv run python -m tests.e2e.crash_matrix --cycles 3

One cycle has every kind of purchase, deferrable and not, dying by SIGKILL at every point (`crash_cases.py`); its last
line is `kills=N double=N lost=N hung=N`, and it succeeds if the last three are 0. A triggerer that is killed counts
for each task that waited in it.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

from airflow_provider_grok.api import files, wire
from airflow_provider_grok.api.endpoint import Endpoint

from .crash_cases import POINTS, Case, all_cases
from .crash_judge import Books, Outcome, judge, summary, table
from .key_scan import leaks, trigger_rows
from .live import LiveAirflow
from .rest import until
from .sandbox import SandboxProcess

PHOTO = Path(__file__).parents[2] / "example_dags" / "photos" / "chelsea.png"
#: Seconds that a purchase looks for the result of a lost answer: longer than the sandbox takes to make one.
RECOVERY = 5
SPEED = ("--image-seconds", "2", "--video-seconds", "2", "--batch-seconds", "2")
# Here the results of a batch have to be copied, and the batch is still running when the copying begins.
COPIES = ("--no-batch-storage", "--batch-seconds", "20")


class CrashMatrix:
    """A live Airflow, two sandboxes, and the killing.

    :param folder: takes logs, marks and databases
    :param database: a migrated Airflow database to copy; None = migrate anew
    :param patience: seconds without any run's end after which those that go on count as hung
    :param slots: how many tasks run at once
    """

    def __init__(self, folder: Path, *, database: Path | None = None, patience: float = 180, slots: int = 6) -> None:
        self.folder, self.patience = folder, patience
        self.key = f"xai-canary-{secrets.token_hex(16)}"
        self.marks = _made(folder / "marks")
        self.main = SandboxProcess(_made(folder / "sandbox"), *SPEED, "--api-key", self.key)
        self.copies = SandboxProcess(_made(folder / "copies"), *COPIES, "--api-key", self.key)
        self.outcomes: list[Outcome] = []
        self.seen_in_triggers: list[str] = []
        self._database, self._slots, self._stack = database, slots, ExitStack()

    def __enter__(self) -> CrashMatrix:
        with ExitStack() as stack:
            for sandbox in (self.main, self.copies):
                stack.enter_context(sandbox)
            connections = {"grok_default": self._connection(self.main), "grok_copies": self._connection(self.copies)}
            home = _made(self.folder / "airflow")
            self.airflow = stack.enter_context(
                LiveAirflow(
                    database=self._database,
                    connections=connections,
                    home=home,
                    parallelism=self._slots,
                )
            )
            self.image = wire.run(Endpoint(base_url=self.main.url, key=self.key), files.upload(PHOTO)).id
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def cycle(self, cases: Sequence[Case]) -> list[Outcome]:
        """Run cases, each in its own DAG run, as many at once as there are slots, and judge them."""
        waiting, waking = ([case for case in cases if case.point == point] for point in ("triggerer", "event-seen"))
        ended = self._kill_the_triggerer(waiting) if waiting else {}
        with self._all_deferred(waking):
            pass
        others = [case for case in cases if case not in waiting]
        self._trigger([case for case in others if case not in waking])
        ended |= self._wait(others)
        outcomes = self._judge(cases, ended)
        self.outcomes += outcomes
        return outcomes

    def leaks(self) -> list[str]:
        """Where the API key is, and should not be."""
        in_triggers = ["a trigger's arguments"] if any(self.key in row for row in self.seen_in_triggers) else []
        return leaks(self.airflow, self.key) + in_triggers

    def _trigger(self, cases: Sequence[Case]) -> None:
        # All first, then go: on SQLite, Airflow's API server may lock itself out for five seconds, and answer with a
        # 500, when somebody asks it to write while tasks are running.
        self.airflow.pause("crash_")
        for case in cases:
            conf = {"case": case.name, "point": case.point, "marks": str(self.marks), "steps": case.steps}
            conf["image"] = self.image
            if case.kind == "upload":
                source = self.folder / f"{case.name}.txt"
                source.write_text(f"{case.name}\n" * 1000)
                conf["source"] = str(source)
            self.airflow.trigger(case.dag_id, conf, run_id=case.name)
        self.airflow.pause("crash_", False)

    def _wait(self, cases: Sequence[Case]) -> dict[str, str]:
        """Wait for the runs of some cases; those that are missing in the answer hang."""
        names = {case.name for case in cases}
        ended: dict[str, str] = {}
        heard = time.monotonic()
        while ended.keys() < names and time.monotonic() < heard + self.patience:
            time.sleep(2)
            found = {name: state for name, state in self.airflow.ended_runs().items() if name in names}
            heard = time.monotonic() if len(found) > len(ended) else heard
            ended = found
        return ended

    def _kill_the_triggerer(self, cases: Sequence[Case]) -> dict[str, str]:
        with self._all_deferred(cases):
            self.seen_in_triggers += trigger_rows(self.airflow)
            self.airflow.kill("triggerer")
            for case in cases:
                (self.marks / case.name).touch()
        self.airflow.start("triggerer")
        return self._wait(cases)

    @contextmanager
    def _all_deferred(self, cases: Sequence[Case]) -> Iterator[None]:
        """Begin cases and have all of them wait in the triggerer: meanwhile the sandboxes' clocks stand still."""
        self._clocks(0)
        self._trigger(cases)
        until(lambda: self._all_wait(cases), 180, lambda: f"not deferred: {[case.name for case in cases]}")
        yield
        self._clocks(1)

    def _all_wait(self, cases: Sequence[Case]) -> bool | None:
        found = [self.airflow.task_instance(case.dag_id, case.name, "work") for case in cases]
        return all(one is not None and one["state"] == "deferred" for one in found) or None

    def _clocks(self, rate: float) -> None:
        for sandbox in (self.main, self.copies):
            sandbox.run_clock(rate)

    def _judge(self, cases: Sequence[Case], ended: dict[str, str]) -> list[Outcome]:
        books = {sandbox: Books(sandbox, self.key) for sandbox in (self.main, self.copies)}
        if unexplained := [one.unexplained for one in books.values() if one.unexplained]:
            raise RuntimeError(f"the ledger and the journal of a sandbox differ by {unexplained} charges")
        return [
            judge(
                self.airflow,
                books[self.copies if case.kind == "persist" else self.main],
                case,
                ended.get(case.name),
                sum((self.marks / mark).exists() for mark in case.marks),
            )
            for case in cases
        ]

    def _connection(self, sandbox: SandboxProcess) -> str:
        extra = {"recovery_wait": RECOVERY, "timeout": 30}
        return json.dumps({"conn_type": "grok", "host": sandbox.url, "password": self.key, "extra": extra})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix, print its table, and return 0 if nothing was paid twice, lost or hung."""
    options = _arguments().parse_args(argv)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="crash-matrix-") as temporary:
        folder = _made(options.keep) if options.keep else Path(temporary)
        with CrashMatrix(folder, patience=options.patience, slots=options.slots) as matrix:
            for cycle in range(1, options.cycles + 1):
                began = time.monotonic()
                outcomes = matrix.cycle(all_cases(cycle, options.only, seed))
                print(f"cycle {cycle}: {time.monotonic() - began:.0f} s, {summary(outcomes)}", flush=True)
                _complain(outcomes)
            leaked = matrix.leaks()
        print(table(matrix.outcomes))
        print(f"the API key was found in {len(leaked)} files{''.join(f' {name}' for name in leaked)}")
        print(summary(matrix.outcomes))
        sys.stdout.flush()
    return int(any(one.double or one.lost or one.hung for one in matrix.outcomes) or bool(leaked))


def _complain(outcomes: Sequence[Outcome]) -> None:
    for one in outcomes:
        if one.verdict != "ok":
            print(f"  {one.case.name}: {one.verdict} ({one.state}, {one.charges} charges, {one.assets} assets, "
                  f"{one.known} known)", flush=True)  # fmt: skip


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.e2e.crash_matrix", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--cycles", type=int, default=1, help="how often every point is tried (default: %(default)s)")
    names = ", ".join(sorted({*POINTS, *(point for points in POINTS.values() for point in points)}))
    add("--only", action="append", default=[], help=f"KIND, KIND/POINT or /POINT, several times; of {names}, triggerer")
    add("--seed", type=int, help="the same seed gives the same order and steps (default: another each time)")
    add("--patience", type=float, default=180, help="seconds without an end to call a run hung (default: %(default)s)")
    add("--slots", type=int, default=6, help="tasks that run at once (default: %(default)s)")
    add("--keep", type=Path, help="folder that keeps all logs and databases (default: a temporary one)")
    return parser


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
