"""Run the model: `uv run python -m tests.model.run --runs 2000`; `--seed N --trace` tells one run's history again.

`--batches` runs those with batches. Everything follows from the seed: a failure prints it with its options.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.model.checks import Finding, check
from tests.model.instance import TaskInstance
from tests.model.network import Network
from tests.model.options import Options
from tests.model.server import Server
from tests.model.world import Hung, World

#: Seconds of virtual time after which everything must have ended.
LONGEST = 400_000.0


@dataclass
class Run:
    """One run and what came of it."""

    world: World
    server: Server
    network: Network
    instances: list[TaskInstance]
    findings: list[Finding] = field(default_factory=list)
    limits: Counter[str] = field(default_factory=Counter)


def play(options: Options) -> Run:
    """Play one run to its end, and check it.

    :param options: its options.
    """
    random.seed(options.seed)
    TaskInstance._processes = 0
    world = World(options)
    server = Server(world)
    network = Network(world, server)
    run = Run(world, server, network, [TaskInstance(world, network, plan) for plan in options.tasks])
    for instance in run.instances:
        world.start(instance.life(), instance.plan.start)
    try:
        world.run(LONGEST)
    except Hung as hung:
        run.findings.append(Finding("hangs", str(hung)))
        return run
    server.work()
    check(run)
    return run


def _played(seed: int, with_batches: bool) -> tuple[Any, str]:
    """A run and its options in words."""
    if not with_batches:
        options = Options.of(seed)
        return play(options), options.told()
    from tests.model import batch_run

    run = batch_run.play(seed)
    return run, batch_run.told(run.server.options, run.plan)


def main(arguments: list[str] | None = None) -> int:
    """Run the model from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="how many seeds")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trace", action="store_true", help="print the history of a failure")
    parser.add_argument("--batches", action="store_true", help="runs with batches")
    parser.add_argument("--most", type=int, default=10, help="stop after so many failures")
    asked = parser.parse_args(arguments)
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.runs)
    limits: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    failed, started, done = 0, time.process_time(), 0
    for seed in seeds:
        run, told = _played(seed, asked.batches)
        done += 1
        limits += run.limits
        if run.findings or (asked.trace and asked.seed is not None):
            failed += bool(run.findings)
            kinds.update(finding.what for finding in run.findings)
            print(told)
            for finding in run.findings:
                print(f"  FOUND {finding.what}: {finding.words}")
            if asked.trace:
                print(run.world.told())
            if failed >= asked.most:
                break
    seconds = time.process_time() - started
    print(f"{done} runs, {failed} failed {dict(kinds)}, {done / seconds:.0f} runs for each second of CPU")
    print("limits reached: " + (", ".join(f"{name} {count}" for name, count in sorted(limits.items())) or "none"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
