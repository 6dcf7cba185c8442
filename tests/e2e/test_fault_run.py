"""All example DAGs on a bad network, with five seeds: the same states, files, links and charges as undisturbed.

More of them: `uv run python -m tests.e2e.fault_run --seeds 50`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("seeds", "more"),
    [("5", []), ("1", ["--deferrable", "--only", "[et]*"])],  # a trigger waits six seconds before its first look
    ids=["on workers", "in triggers"],
)
def test_a_fifth_of_all_answers_disturbed_changes_nothing(seeds: str, more: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "tests.e2e.fault_run", "--seeds", seeds, *more]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert ran.stdout.splitlines()[-1:] == [f"seeds={seeds} differences=0"], ran.stdout + ran.stderr
    assert ran.returncode == 0
