"""Receipts of every version, and of people who mean harm, become values that a page can show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_grok.ui import receipts
from airflow_provider_grok.ui.receipts import LONGEST_TEXT, Money

from .rows import START, row
from .seeding import file_row, receipt


def read(value: Any) -> receipts.Receipt:
    return receipts.read_one(row(value))


def test_a_receipt_of_today_is_read_whole() -> None:
    found = read(receipt(file_row("file_9", expires_at=1_800_000_000), sources=["file_0"]))
    assert (found.prompt, found.model, found.sources) == ("in red", "grok-imagine-image-2.0", ("file_0",))
    assert found.cost == Money(400_000_000)
    assert found.cost.usd == pytest.approx(0.04)
    assert (found.conn_id, found.seconds, found.submitted_at) == ("grok_default", 4.2, START.timestamp())
    assert (found.files[0].file_id, found.files[0].expires_at) == ("file_9", 1_800_000_000)
    assert not found.problem


def test_a_receipt_of_the_first_version_has_its_cost_from_usage() -> None:
    old = receipt(file_row())
    for name in ("billed", "grok_conn_id", "submitted_at", "seconds"):
        del old[name]
    found = read(old)
    assert found.billed is None
    assert found.cost == Money(400_000_000)
    assert (found.conn_id, found.seconds, found.submitted_at) == ("", None, None)


def test_what_moderation_cost_is_a_part_of_what_was_billed() -> None:
    billed = {"cost_in_usd_ticks": 100, "estimated": True, "moderation_ticks": 900}
    assert read(receipt(billed=billed)).cost == Money(100, True, 100)


@pytest.mark.parametrize("value", [{}, {"files": None}, {"files": [None, 7, {}], "request": [], "usage": "x"}])
def test_a_receipt_without_its_parts_is_read(value: Any) -> None:
    found = read(value)
    assert not found.problem
    assert (found.usage, found.billed, found.cost) == (None, None, Money())


@pytest.mark.parametrize("value", [None, 7, [], True])
def test_what_is_no_receipt_says_so(value: Any) -> None:
    assert read(value).problem == "its receipt has another form"


@pytest.mark.parametrize("value", ["s3://bucket/shop/run/edit/0b9d.json", "file:///tmp/x", "{not json", ""])
def test_a_reference_of_an_xcom_backend_says_where_the_receipt_is_not(value: str) -> None:
    assert "not in Airflow's database" in read(value).problem


def test_a_receipt_that_the_table_holds_as_text_is_read() -> None:
    assert read(json.dumps(receipt(prompt="as text"))).prompt == "as text"


@pytest.mark.parametrize("ticks", [-1, 1.5e300, float("nan"), float("inf"), True, "7", 10**17, [], 10**400])
def test_a_cost_that_is_none_is_not_added_to_anything(ticks: Any) -> None:
    assert read(receipt(billed={"cost_in_usd_ticks": ticks}, usage=None)).cost == Money()


@pytest.mark.parametrize("end", [-1, "soon", 10**40, None, float("nan"), {}])
def test_an_end_that_is_none_is_none(end: Any) -> None:
    assert read(receipt(file_row(expires_at=end))).files[0].expires_at is None


def test_a_long_prompt_is_cut_and_says_how_long_it_is() -> None:
    found = read(receipt(prompt="a" * 10_000)).prompt
    assert found == "a" * LONGEST_TEXT + " ... (10000 characters)"


def test_marks_that_turn_the_reading_around_are_taken_out() -> None:
    assert read(receipt(prompt="ab\u202egnp\u2066\x00\x1b[1m\ud800")).prompt == "ab gnp   [1m"


def test_a_receipt_with_a_million_files_is_cut() -> None:
    assert len(read(receipt(*[file_row()] * 6_000)).files) == receipts.MOST_FILES


def test_deeply_nested_text_stops_nothing() -> None:
    assert read("[" * 100_000).problem
