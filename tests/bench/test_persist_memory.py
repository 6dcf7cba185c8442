"""Persisting five hundred results over links stays in flat memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

#: Megabytes that the persisting process may grow by.
BUDGET = 40.0


def test_persisting_five_hundred_results_stays_within_forty_megabytes() -> None:
    command = [sys.executable, "-m", "tests.bench.persist_memory", "500"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kept"] == 500
    assert figures["growth_mb"] <= BUDGET, figures
