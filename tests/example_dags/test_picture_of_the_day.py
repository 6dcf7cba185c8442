"""The scheduled example: its templates hold for runs with and without a logical date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pendulum
import pytest

from tests.dag_run import missed_runs

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "picture_of_the_day.py"
DAY = pendulum.datetime(2026, 3, 1, 6, tz="UTC")


@pytest.mark.parametrize("logical_date", [DAY, None], ids=["scheduled", "started by a person"])
def test_the_prompt_names_the_day_of_the_run(run_dag: RunDag, logical_date: pendulum.DateTime | None) -> None:
    run = run_dag(FILE, conf={"place": "an old mill"}, run_after=DAY, logical_date=logical_date)
    assert run.state == "success"
    (request,) = run.requests("POST", "/v1/images/generations")
    assert request["json"]["prompt"] == "an old mill on Sunday, 1 March, painted in watercolour"
    stored = request["json"]["storage_options"]
    assert stored["filename"].startswith("today-2026-03-01.")
    assert stored["expires_after"] == 30 * 24 * 3600
    assert [charge["ticks"] for charge in run.charges] == [400_000_000]
    assert run.xcom("picture", "public_url").startswith("http")


def test_neither_unpausing_it_nor_a_second_run_of_the_same_day_buys_twice(run_dag: RunDag) -> None:
    scheduled = run_dag(FILE, run_after=DAY, logical_date=DAY)
    by_a_person = run_dag(FILE, run_after=DAY.add(hours=4), logical_date=None)
    assert (len(scheduled.charges), len(by_a_person.charges)) == (1, 0)
    assert by_a_person.xcom("picture") == scheduled.xcom("picture")
    assert not missed_runs("picture_of_the_day")
    next_day = run_dag(FILE, run_after=DAY.add(days=1), logical_date=DAY.add(days=1))
    assert len(next_day.charges) == 1
