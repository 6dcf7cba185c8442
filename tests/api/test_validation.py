"""Arguments: what is read from rendered text, and what is refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import errors, validation


@pytest.mark.parametrize("value", [4, "4", " 4 ", 4.0])
def test_a_whole_number_is_read_from_whatever_shows_one(value: object) -> None:
    assert validation.whole(value, "n", 1, 10) == 4


@pytest.mark.parametrize("value", [0, 11, "11", "", "four", 4.5, True, None, [4], float("nan"), float("inf"), "-4"])
def test_what_is_no_whole_number_within_bounds_is_refused(value: object) -> None:
    with pytest.raises(errors.InvalidRequest, match="a whole number from 1 to 10 is allowed"):
        validation.whole(value, "n", 1, 10)


@pytest.mark.parametrize(("value", "share"), [(0, 0.0), (1, 1.0), ("0.9", 0.9)])
def test_a_share_is_a_number_from_0_to_1(value: object, share: float) -> None:
    assert validation.share(value, "min_success") == share


@pytest.mark.parametrize("value", [-0.1, 1.1, "90%", True, None, float("nan")])
def test_what_is_no_share_is_refused(value: object) -> None:
    with pytest.raises(errors.InvalidRequest, match="a number from 0 to 1"):
        validation.share(value, "min_success")


def test_a_long_wrong_value_is_not_repeated_in_full() -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        validation.choice("x" * 10_000, "resolution", ("1k", "2k"))
    assert len(str(caught.value)) < 400
    assert "request_params" in str(caught.value)


def test_own_fields_win_and_none_takes_a_field_out() -> None:
    known: dict[str, Any] = {"a": 1, "b": 2, "c": None}
    assert validation.merged(known, {"a": 3, "b": None, "d": False}) == {"a": 3, "d": False}


@pytest.mark.parametrize("params", ["user=me", ["user"], 5])
def test_fields_that_are_no_dict_are_refused(params: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="is no dict of API fields"):
        validation.merged({}, params)


def test_how_many_are_made_is_not_said_on_the_side() -> None:
    with pytest.raises(errors.InvalidRequest, match="give it as n="):
        validation.merged({"n": 1}, {"n": 3})


@pytest.mark.parametrize(("value", "number"), [(2, 2.0), ("2.5", 2.5), (" 1 ", 1.0), (True, None), ("x", None)])
def test_a_number_is_read_from_text(value: object, number: float | None) -> None:
    assert validation.number(value) == number


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "-inf", None, [1]])
def test_what_is_not_finite_is_no_number(value: object) -> None:
    assert validation.number(value) is None
