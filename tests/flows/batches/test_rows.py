"""Ids and names of rows are a contract with batches already bought: these values never change."""

from __future__ import annotations

import pytest

from airflow_provider_grok.flows.batches import rows
from airflow_provider_grok.flows.purchases.store import TaskIdentity
from airflow_provider_grok.operators.batches import generate_image

TASK = TaskIdentity("shop", "monday", "batch", -1)
HERO = generate_image("hero", prompt="a red bicycle")


def test_golden_values() -> None:
    assert rows.wire_id(HERO) == "hero.1f16f0ffc8"
    assert rows.list_digest(["hero.4d8be82ac7", "b.0123456789"]) == "5077bf4bf1"
    assert rows.batch_key(TASK, "run", 0, "nightly") == "4c0bd23c9d6299"
    assert rows.batch_key(TASK, "attempt", 1, "nightly") == "8791c1a56ec8ad"
    assert rows.batch_key(TASK, "always", 0, "nightly") == "77e40b9e0fdb9d"
    assert rows.key_of_first_release(TASK, "run", 0, "digest") == "5f9ed02b6b27c2"
    assert rows.run_mark("shop", "monday") == "01839a"


def test_what_does_not_change_the_result_is_no_part_of_a_rows_id() -> None:
    entry = generate_image("hero", prompt="a red bicycle", user="me", storage_options={"filename": "x.jpg"})
    assert rows.wire_id(entry) == rows.wire_id(HERO)
    assert rows.wire_id(generate_image("hero", prompt="a blue bicycle")) != rows.wire_id(HERO)
    assert rows.user_id(rows.wire_id(HERO)) == "hero"


def test_a_name_is_read_back_also_where_the_server_shortened_its_stem() -> None:
    name = rows.RowBatchName("nightly", "0123456789", "abcdef", "0123456789abcd")
    assert str(name) == "nightly.rows-0123456789-abcdef.0123456789abcd"
    assert rows.RowBatchName.parse(str(name)) == name
    short = rows.RowBatchName.parse("nig.rows-0123456789-abcdef.0123456789abcd")
    assert name.is_same_list(short)


@pytest.mark.parametrize(
    "name", ["nightly.0123456789abcd", "nightly", "", "nightly.rows.0123456789abcd", "rows-0123456789-abcdef"]
)
def test_names_of_others_are_not_ours(name: str) -> None:
    assert rows.RowBatchName.parse(name) is None


@pytest.mark.parametrize("number", [0, 3])
def test_a_rows_file_is_known_by_its_name_whatever_its_case(number: int) -> None:
    name = rows.row_filename("nightly", "0123456789abcd", "Hero:1.4d8be82ac7", ".jpg", number)
    assert rows.mark_in(name, "0123456789abcd") == rows.row_mark("Hero:1.4d8be82ac7")
    assert rows.mark_in(name.lower(), "0123456789abcd") == rows.row_mark("Hero:1.4d8be82ac7")
    assert rows.mark_in("nightly.rows-1.0123456789abcd.placement.jsonl", "0123456789abcd") is None
