"""Names with a token in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_grok.flows.purchases.key import KEY_LENGTH
from airflow_provider_grok.flows.purchases.names import (
    LONGEST_NAME,
    batch_name,
    marked_name,
    result_name,
    split_batch_name,
)

MARK = "0123456789abcd"


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        (None, f"shop.edit.{MARK}.jpg"),
        ("poster.png", f"poster.{MARK}.png"),
        ("poster.final.png", f"poster.final.{MARK}.png"),
        ("poster", f"poster.{MARK}.jpg"),
        (".hidden", f".hidden.{MARK}.jpg"),
    ],
)
def test_the_token_stands_before_the_ending(filename: str | None, name: str) -> None:
    assert marked_name(MARK, filename=filename, default="shop.edit", extension=".jpg") == name


def test_a_purchases_token_is_not_taken_for_an_uploads() -> None:
    assert KEY_LENGTH != 12


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=300), st.text(max_size=300))
def test_a_name_keeps_its_token_and_is_never_too_long(stem: str, ending: str) -> None:
    name = marked_name(MARK, filename=f"{stem}.{ending}", default="x", extension=".jpg")
    assert f".{MARK}" in name
    assert len(name) <= LONGEST_NAME


@pytest.mark.parametrize("number", [0, 1])
@given(ids=st.lists(st.text(min_size=1, max_size=300), min_size=2, max_size=2, unique=True))
def test_results_of_two_requests_never_share_a_name(ids: list[str], number: int) -> None:
    first, second = (result_name("nightly & co", id, "0" * KEY_LENGTH, ".jpg", number) for id in ids)
    assert first != second
    assert re.fullmatch(r"nightly-co\.[A-Za-z0-9_.~-]+\.0{14}\.jpg", first)


def test_the_second_picture_of_a_request_is_not_taken_for_the_first_of_another() -> None:
    names = {
        result_name("x", id, "0" * KEY_LENGTH, ".jpg", number) for id, number in (("a", 1), ("a-2", 0), ("a~2", 0))
    }
    assert len(names) == 3


@given(stem=st.text(max_size=300), id=st.text(min_size=1, max_size=300))
def test_a_batch_and_its_results_have_names_that_fit_and_can_be_read_back(stem: str, id: str) -> None:
    token = "0" * KEY_LENGTH
    assert len(result_name(stem, id, token, ".jpg")) <= LONGEST_NAME
    named = batch_name(stem.replace("\n", " "), token)
    assert len(named) <= LONGEST_NAME
    assert split_batch_name(named, "batch_1")[1] == token
    assert split_batch_name("by hand", "batch_1") == ("by hand", split_batch_name("", "batch_1")[1])
