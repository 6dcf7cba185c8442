"""One cycle of kills: every kind of purchase dies at every point of its life, and is paid for once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from .crash_cases import all_cases
from .crash_judge import Outcome, summary
from .crash_matrix import CrashMatrix


@pytest.fixture(scope="module")
def matrix(airflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashMatrix]:
    """A matrix whose one cycle has run."""
    with CrashMatrix(tmp_path_factory.mktemp("crash-matrix"), database=airflow_database) as running:
        running.cycle(all_cases(1))
        yield running


def test_every_kill_came(matrix: CrashMatrix) -> None:
    assert _told(one for one in matrix.outcomes if one.kills < len(one.case.marks)) == []
    assert len(matrix.outcomes) == len(all_cases(1))


def test_nothing_is_paid_for_twice(matrix: CrashMatrix) -> None:
    assert _told(one for one in matrix.outcomes if one.double) == []


def test_nothing_is_lost(matrix: CrashMatrix) -> None:
    assert _told(one for one in matrix.outcomes if one.lost) == []


def test_every_run_ends(matrix: CrashMatrix) -> None:
    assert _told(one for one in matrix.outcomes if one.hung) == []
    assert summary(matrix.outcomes).endswith("double=0 lost=0 hung=0")


def test_the_key_is_in_no_log_no_xcom_no_rendered_field_and_no_trigger(matrix: CrashMatrix) -> None:
    assert matrix.seen_in_triggers
    assert matrix.leaks() == []


def _told(outcomes: Iterable[Outcome]) -> list[str]:
    return [
        f"{one.case.name}: {one.verdict} ({one.state}, {one.charges} charges, {one.assets} assets)" for one in outcomes
    ]
