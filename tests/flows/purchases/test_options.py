"""Options as people write them, turned into what is sent."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest

from airflow_provider_grok.api import images
from airflow_provider_grok.api.errors import InvalidRequest
from airflow_provider_grok.flows.purchases.options import (
    PurchaseOptions,
    Settings,
    life,
    link_life,
    moment,
    reuse_of,
    seconds,
)

CALL = images.generate(images.generation_body(prompt="x", model="grok-imagine-image"))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (timedelta(hours=2), 7200),
        (7200, 7200),
        ("7200", 7200),
        (7200.4, 7200),
        (" 7200 ", 7200),
        (pendulum.duration(hours=2), 7200),
        (None, None),
        ("", None),
        ("None", None),
    ],
)
def test_a_duration_may_be_written_in_many_ways(value: Any, read: int | None) -> None:
    assert seconds("expires_after", value) == read


@pytest.mark.parametrize("value", ["a week", True, [], "inf", "nan", "1h"])
def test_what_is_no_duration_is_refused_with_an_example(value: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"expires_after=.* is no duration\. Give a timedelta"):
        seconds("expires_after", value)


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-24T18:00:00+01:00",
        "2026-12-24T17:00:00Z",
        " 2026-12-24T17:00:00+00:00 ",
        datetime(2026, 12, 24, 17, tzinfo=timezone.utc),
        pendulum.datetime(2026, 12, 24, 18, tz="Europe/Berlin"),
    ],
)
def test_a_moment_may_be_written_in_many_ways(value: Any) -> None:
    assert moment("expires_at", value) == datetime(2026, 12, 24, 17, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("2026-12-24T18:00:00", "no time zone"),
        ("tomorrow", "no ISO 8601 time"),
        (1_795_000_000, "no point in time"),
        (timedelta(days=1), "no point in time"),
    ],
)
def test_what_is_no_moment_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        moment("expires_at", value)


@pytest.mark.parametrize("value", [3600, 2_592_000, "3600", timedelta(days=30)])
def test_the_bounds_of_a_life_are_allowed(value: Any) -> None:
    assert life(value, None) in (3600, 2_592_000)


@pytest.mark.parametrize("value", [3599, 2_592_001, 0, -5, timedelta(minutes=59)])
def test_a_life_out_of_bounds_is_refused_with_the_bounds(value: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"1 hour to 30 days \(3600 to 2592000 s\)"):
        life(value, None)


def test_an_end_becomes_a_life_from_now() -> None:
    assert life(None, pendulum.now("UTC").add(hours=5)) == pytest.approx(5 * 3600, abs=2)


def test_a_life_that_nobody_asked_for_is_the_connections() -> None:
    assert life(None, None, usual=7200) == 7200
    assert life("", "None") is None


def test_life_and_end_exclude_each_other() -> None:
    with pytest.raises(InvalidRequest, match="Give one of them"):
        life(7200, "2026-12-24T18:00:00Z")


@pytest.mark.parametrize(
    ("share", "file", "link"),
    [
        (False, None, None),
        (None, None, None),
        ("False", None, None),
        ("None", None, None),
        (True, None, 7 * 86400),
        ("true", 30 * 86400, 7 * 86400),
        (True, 86400, True),
        (True, 7 * 86400, True),
        (7200, None, 7200),
        ("7200", 7200, 7200),
        (timedelta(hours=1), 86400, 3600),
    ],
)
def test_share_becomes_the_life_of_a_link(share: Any, file: int | None, link: Any) -> None:
    assert link_life(share, file) == link


def test_a_link_that_outlives_its_file_is_refused_with_both_lives() -> None:
    with pytest.raises(InvalidRequest, match=r"live 7201 s and its file only 7200 s\. Shorten"):
        link_life(7201, 7200)


def test_what_an_earlier_try_began_is_not_refused_for_an_end_that_came_near() -> None:
    assert life(None, pendulum.now("UTC").add(minutes=5), begun=True) == 3600
    assert link_life(7201, 7200, begun=True) is True


def test_terms_take_the_connections_defaults() -> None:
    terms = PurchaseOptions.of(Settings(expires_after=7200, max_cost_usd=0.5))
    assert (terms.expires_after, terms.max_cost) == (7200, 5_000_000_000)
    asked = PurchaseOptions.of(Settings(expires_after=7200, max_cost_usd=0.5), expires_after=3600, max_cost_usd="1")
    assert (asked.expires_after, asked.max_cost) == (3600, 10**10)


def test_an_option_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InvalidRequest, match=r"\['retries'\] are no options of a purchase: .*'reuse'"):
        PurchaseOptions.of(Settings(), retries=3)


def test_a_picture_is_waited_for_a_quarter_of_an_hour() -> None:
    assert PurchaseOptions.of(Settings()).timeout_of(CALL) == 900
    assert PurchaseOptions.of(Settings(), timeout="60").timeout_of(CALL) == 60


def test_reuse_is_one_of_three_words() -> None:
    assert [reuse_of(word) for word in ("run", "attempt", "always")] == ["run", "attempt", "always"]
    with pytest.raises(InvalidRequest, match="reuse='Run' is none of"):
        reuse_of("Run")
