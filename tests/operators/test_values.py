"""Arguments as templates and mapped tasks leave them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api.errors import InvalidRequest
from airflow_provider_grok.operators.values import (
    flat,
    given,
    in_shape,
    refuse_secret,
    rendered_fields,
    truth,
    unpacked,
)


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


def test_bytes_stay_bytes() -> None:
    assert unpacked(b"ab") == b"ab"
    assert flat([b"ab"]) == [b"ab"]


def test_fields_are_read_by_what_they_hold() -> None:
    read = rendered_fields(
        {
            "prompt": "",
            "image": " file_1 ",
            "images": "['a', ['b']]",
            "keyframes": "None",
            "n": "None",
            "quality": "None",
            "generate_audio": "False",
            "duration": "4",
        }
    )
    assert read == {
        "prompt": "",
        "image": " file_1 ",
        "images": ["a", "b"],
        "keyframes": None,
        "n": 1,
        "quality": None,
        "generate_audio": False,
        "duration": "4",
    }
    assert rendered_fields({"prompt": " ", "generate_audio": None}, needs_prompt=False) == {
        "prompt": None,
        "generate_audio": True,
    }


def test_a_pair_of_a_mapped_dict_is_told_as_such() -> None:
    with pytest.raises(InvalidRequest, match=r"images= got a pair of a key \('hero'\).*your_dict\.values\(\)"):
        rendered_fields({"images": ("hero", ["file_1", "file_2"])})
    assert rendered_fields({"images": ("file_1", "file_2")}) == {"images": ["file_1", "file_2"]}
    assert rendered_fields({"image": ("hero", "file_1")}) == {"image": ("hero", "file_1")}


KEY = "xai-0123456789-abc"


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"prompt": f"draw {KEY}"}, "prompt holds"),
        ({"image": {"url": f"https://a.example/x?k={KEY}"}}, r"image\.url holds"),
        ({"image": {"url": f"https://a.example/x?k={KEY.replace('-', '%2D')}"}}, r"image\.url holds"),
        ([{"a": ["x", KEY]}], r"\[0\]\.a\[1\] holds"),
        ({KEY: 1}, r"request \(a name\) holds"),
        (KEY, "The request holds"),
    ],
)
def test_a_request_that_holds_the_key_is_refused_without_repeating_it(value: Any, where: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{where} the API key of the connection.*Nothing was sent") as caught:
        refuse_secret(value, KEY)
    assert KEY not in str(caught.value)


def test_a_key_that_is_a_word_like_any_other_refuses_nothing() -> None:
    refuse_secret({"prompt": "a test of keys"}, "test")
    refuse_secret({"prompt": "a mug"}, "")
    refuse_secret({"prompt": "a mug", "n": 1, "image": None}, KEY)
