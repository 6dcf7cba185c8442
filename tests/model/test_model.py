"""Two thousand runs of the model: random tasks, dishonest servers, dying workers; nothing paid twice, lost or hung."""

from __future__ import annotations

import pytest

from tests.model.options import Options
from tests.model.run import play

RUNS, BLOCKS = 2000, 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_run_breaks_a_rule(block: int) -> None:
    size = RUNS // BLOCKS
    broken = []
    for seed in range(block * size, (block + 1) * size):
        options = Options.of(seed)
        run = play(options)
        if run.findings:
            told = "\n".join(f"  {finding.what}: {finding.words}" for finding in run.findings)
            broken.append(f"{options.told()}\n{told}\n  again: python -m tests.model.run --seed {seed} --trace")
    assert not broken, "\n".join(broken)


def test_a_seed_gives_the_same_history_again() -> None:
    first, again = play(Options.of(7)), play(Options.of(7))

    assert first.world.told() == again.world.told()
    assert first.limits == again.limits
