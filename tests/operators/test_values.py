"""Arguments as templates and mapped tasks leave them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api.errors import InvalidRequest
from airflow_provider_grok.operators.values import flat, given, in_shape, truth, unpacked


@pytest.mark.parametrize(
    ("value", "leaves"),
    [
        (None, []),
        ("", []),
        ("None", []),
        ("a", ["a"]),
        (["a", None, "", ["b", ["c"]]], ["a", "b", "c"]),
        (("a", "b"), ["a", "b"]),
        ((letter for letter in "ab"), ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        ('["a", null, "b"]', ["a", "b"]),
        ("[[], ['a']]", ["a"]),
        ("[not a list]", ["[not a list]"]),
        ({"a": 1}, [{"a": 1}]),
    ],
)
def test_any_nest_is_flattened(value: Any, leaves: list[Any]) -> None:
    assert flat(value) == leaves


def test_one_in_is_one_out_and_a_list_in_is_a_flat_list_out() -> None:
    assert in_shape("a", [1]) == 1
    assert in_shape(["a"], [1]) == [1]
    assert in_shape("['a']", [1]) == [1]
    assert in_shape([], []) == []
    assert in_shape(None, []) == []


def test_what_rendered_to_nothing_was_not_given() -> None:
    assert [given(value) for value in (None, "", " ", "None", "x", 0, False)] == [None, None, None, None, "x", 0, False]


def test_text_that_merely_begins_like_a_list_stays_text() -> None:
    assert unpacked("[draft] a red bicycle") == "[draft] a red bicycle"


@pytest.mark.parametrize(("value", "read"), [(True, True), ("True", True), (" false ", False), (False, False)])
def test_yes_and_no_are_read_from_text(value: Any, read: bool) -> None:
    assert truth("include_uploads", value) is read


def test_neither_yes_nor_no_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="include_uploads='maybe' is neither True nor False"):
        truth("include_uploads", "maybe")
