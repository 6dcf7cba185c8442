"""The clock: moved, sped up, stopped, kept."""

from __future__ import annotations

import time

import pytest

from airflow_provider_grok.sandbox.clock import Clock


def test_it_starts_at_real_time() -> None:
    assert Clock().now() == pytest.approx(time.time(), abs=1)


def test_it_moves_forward_on_demand() -> None:
    clock = Clock(rate=0)
    before = clock.now()
    assert clock.advance(3600) == before + 3600 == clock.now()


def test_it_does_not_move_back() -> None:
    with pytest.raises(ValueError, match="cannot advance the clock by -1 s"):
        Clock().advance(-1)


def test_a_stopped_clock_stands() -> None:
    clock = Clock(rate=0)
    assert clock.now() == clock.now()


def test_a_change_of_rate_makes_no_jump() -> None:
    clock = Clock()
    before = clock.now()
    clock.rate = 1e6
    clock.rate = 0
    assert 0 <= clock.now() - before < 1e6


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate of -2"):
        Clock().rate = -2


def test_a_kept_clock_goes_on_as_if_it_had_run() -> None:
    kept = Clock(rate=0)
    kept.advance(86_400)
    clock = Clock()
    clock.restore(kept.snapshot())
    assert (clock.now(), clock.rate) == (kept.now(), 0)
