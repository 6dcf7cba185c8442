"""How long to fuzz: a moment in a plain run; `FUZZ_EXAMPLES=100000 uv run pytest tests/fuzz` for as many per test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_examples = int(os.environ.get("FUZZ_EXAMPLES", "0"))

#: The settings of every test here; a plain run does the same each time, and writes nothing down.
fuzz = settings(
    max_examples=_examples or 100,
    derandomize=not _examples,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
