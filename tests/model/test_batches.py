"""Runs of the model with batches: lists that change and go back, lists that lag, cancels, deaths; no row paid twice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.batch_run import play, told

RUNS, BLOCKS = 150, 5
#: A row that is never done is bought again by a person who clears the task after its batch has ended: not played here.
FIXED: dict[str, Any] = {"row_never": 0.0}
#: What no run may come to, however the server behaves.
NEVER = {"paid twice", "over the cap", "hangs", "wrong rows", "wrong result"}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_run_with_batches_breaks_a_rule(block: int) -> None:
    size = RUNS // BLOCKS
    broken = []
    for seed in range(block * size, (block + 1) * size):
        run = play(seed, **FIXED)
        if run.findings:
            found = "\n".join(f"  {finding.what}: {finding.words}" for finding in run.findings)
            broken.append(f"{told(run.server.options, run.plan)}\n{found}")
    assert not broken, "\n".join(broken)


def test_batches_that_end_cost_nothing_twice() -> None:
    runs = [play(seed) for seed in range(40)]

    assert not [finding for run in runs for finding in run.findings if finding.what in NEVER]
