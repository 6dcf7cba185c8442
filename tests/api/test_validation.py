"""Arguments: what is read from rendered text, and what is refused in words."""

from __future__ import annotations

import json
import numbers
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from airflow_provider_grok.api import batch_requests, errors, images, validation, videos


class Index:
    """A whole number of another library, such as NumPy's int64."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __int__(self) -> int:
        return self.value


numbers.Integral.register(Index)


@pytest.mark.parametrize("value", [4, "4", " 4 ", 4.0, Decimal(4), Decimal("4.0"), Fraction(4), Index(4)])
def test_a_whole_number_is_read_from_whatever_shows_one(value: object) -> None:
    assert validation.whole(value, "n", 1, 10) == 4


@pytest.mark.parametrize(
    "value", [0, 11, "11", "", "four", 4.5, True, None, [4], float("nan"), float("inf"), "-4", Decimal("4.5"), b"4"]
)
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


@pytest.mark.parametrize(
    ("value", "number"), [(2, 2.0), ("2.5", 2.5), (" 1 ", 1.0), (True, None), ("x", None), (Decimal("2.5"), 2.5)]
)
def test_a_number_is_read_from_text(value: object, number: float | None) -> None:
    assert validation.number(value) == number


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "-inf", None, [1]])
def test_what_is_not_finite_is_no_number(value: object) -> None:
    assert validation.number(value) is None


def test_a_number_is_text_where_native_rendering_made_one_of_it() -> None:
    assert validation.text(1984, "prompt") == "1984"
    assert images.generation_body(prompt=1984, model="grok-imagine-image")["prompt"] == "1984"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"a mug", r"prompt=b'a mug' must be text.*These are bytes: give text, such as value\.decode\(\)"),
        (("hero", "a mug"), r"prompt=\('hero', 'a mug'\) must be text.*expand over a list"),
        ("None", "prompt='None' must be text.*A template rendered None"),
        (19.84, r"prompt=19\.84 must be text.*render_template_as_native_obj"),
        (True, "prompt=True must be text"),
        (["a mug"], r"prompt=\['a mug'\] must be text"),
        ("half \ud83d of it", r"prompt holds half a character \(U\+D83D at position 5\)"),
    ],
)
def test_what_is_no_text_is_told_by_what_was_given(value: Any, said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        validation.text(value, "prompt")


def test_a_megabyte_of_bytes_is_not_repeated() -> None:
    for value in (b"x" * 10**6, "x" * 10**6, [["x" * 10**6]]):
        assert len(validation.shown(value)) < 150


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


UNSENDABLE: dict[str, tuple[Any, str]] = {
    "NaN": (float("nan"), "=nan is no number that JSON can hold"),
    "infinity": ({"a": [1, float("-inf")]}, r"\.a\[1\]=-inf is no number"),
    "half an emoji": (["\udc00"], r"\[0\] holds half a character"),
    "half an emoji in a name": ({"\udc00": 1}, "a name holds half a character"),
    "a name that is none": ({None: 1}, "None is no name of a field"),
    "bytes": (b"x", "is of type bytes, which JSON cannot hold"),
    "a moment": (datetime(2026, 1, 1), "is of type datetime"),
    "a set": ({"a": {1}}, r"\.a=\{1\} is of type set"),
    "a Decimal": (Decimal("1.5"), "is of type Decimal"),
    "a number of 400 digits": (10**400, "is a number beyond 64 bits"),
    "nesting": (nested(100), "is nested more than 60 deep"),
    "nesting without end": (nested(100_000), "is nested more than 60 deep"),
}


@pytest.mark.parametrize(("value", "said"), UNSENDABLE.values(), ids=UNSENDABLE.keys())
def test_what_json_cannot_carry_is_refused_in_any_field_of_any_request(value: Any, said: str) -> None:
    for make in (
        lambda: images.generation_body(prompt="x", model="grok-imagine-image", params={"new": value}),
        lambda: videos.edit_body(prompt="x", video="file_1", params={"new": value}),
        lambda: batch_requests.check(
            [batch_requests.request("a", "chat_get_completion", {"model": "grok-4.3", "new": value})]
        ),
    ):
        with pytest.raises(errors.InvalidRequest, match=f"new.*{said}|{said}") as caught:
            make()
        assert str(caught.value).isprintable()


def test_what_json_carries_is_left_as_it_is() -> None:
    value = {"a": [1, 2.5, None, True, "ü😀", ("b",)], "c": {}, "d": nested(50)}
    validation.check_json(value, "new")
    assert json.dumps(images.generation_body(prompt="x", model="m", params={"new": value}))
