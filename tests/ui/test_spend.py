"""Sums over receipts: what is billed, estimated, under way, moderated; as a table, a picture and a file."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from airflow_provider_grok.ui import spend
from airflow_provider_grok.ui.receipts import read

from .rows import row
from .seeding import file_row, receipt


def money(ticks: int, estimated: bool = False, moderation: int | None = None) -> dict[str, Any]:
    told = {"cost_in_usd_ticks": ticks, "cost_usd": ticks / 1e10, "estimated": estimated}
    return told if moderation is None else {**told, "moderation_ticks": moderation}


def batch(task: str, counts: dict[str, int], **parts: Any) -> Any:
    told = receipt(request_id="batch_1", counts=counts, **parts)
    del told["request"]
    del told["files"]
    return row({key: value for key, value in told.items() if value is not None}, task)


def total(*rows: Any) -> spend.Total:
    return spend.total(spend.charges(read(rows)))


def test_what_was_billed_counts_not_what_the_last_delivery_cost() -> None:
    one = total(row(receipt(file_row(), usage=money(0), billed=money(900, True, 300), reused=True)))
    assert (one.ticks, one.estimated, one.moderation, one.reused, one.results) == (900, 900, 300, 1, 1)


def test_tasks_that_only_act_on_files_are_not_counted() -> None:
    told = receipt(file_row(), usage=money(0), billed=money(0))
    told["request"] = {"sources": ["file_1"]}
    assert total(row(told, "share")) == spend.Total()


def test_a_batch_is_under_way_until_it_is_kept() -> None:
    sent = batch("send", {"requests": 2, "added": 2}, billed=money(500, True))
    assert (total(sent).ticks, total(sent).under_way) == (500, 500)
    kept = batch("keep", {"requests": 2, "kept": 2}, usage=money(480), billed=money(0))
    both = total(sent, kept)
    assert (both.ticks, both.under_way, both.estimated, both.results) == (500, 0, 500, 2)


def test_a_batch_of_the_first_version_is_not_added_twice() -> None:
    sent = batch("send", {"requests": 2, "added": 2}, usage=money(500, True), billed=None)
    kept = batch("keep", {"requests": 2, "kept": 2}, usage=money(480), billed=None)
    assert (total(sent).ticks, total(sent).under_way) == (500, 500)
    assert (total(sent, kept).ticks, total(sent, kept).under_way) == (480, 0)


def test_receipts_that_cannot_be_read_add_nothing() -> None:
    assert total(row("s3://bucket/key"), row(None)) == spend.Total()


@pytest.mark.parametrize(
    ("dimension", "labels"),
    [
        ("day", ["2026-11-20"]),
        ("dag", ["shop", "other"]),
        ("task", ["shop.edit", "other.edit"]),
        ("model", ["grok-imagine-image-2.0", "(no model)"]),
        ("connection", ["grok_default", "(not recorded)"]),
    ],
)
def test_sums_are_made_by_each_dimension(dimension: str, labels: list[str]) -> None:
    odd = receipt(file_row(), billed=money(5), grok_conn_id=None)
    odd["request"] = {"prompt": "p"}
    found = spend.totals(spend.charges(read([row(receipt(file_row())), row(odd, dag_id="other")])), dimension)
    assert [one.label for one in found] == labels


def test_days_come_newest_first_and_bars_from_left_to_right() -> None:
    rows = [row(receipt(file_row(), submitted_at=1_000_000 + day * 86_400)) for day in range(3)]
    sums = spend.totals(spend.charges(read(rows)), "day")
    assert [one.label for one in sums] == ["1970-01-14", "1970-01-13", "1970-01-12"]
    bars = spend.bars(sums, "day")
    assert [bar.total.label for bar in bars] == ["1970-01-12", "1970-01-13", "1970-01-14"]
    assert bars[0].x < bars[1].x < bars[2].x
    assert {bar.height for bar in bars} == {spend.HEIGHT}


def test_nothing_spent_is_no_picture() -> None:
    assert spend.bars([spend.Total("x")], "dag") == []


def test_the_file_holds_the_table_and_no_formulas() -> None:
    told = receipt(file_row(), billed=money(15_000_000_000))
    told["request"]["model"] = '=HYPERLINK("http://evil.test","x")'
    text = spend.as_csv(spend.totals(spend.charges(read([row(told)])), "model"), "model")
    head, line = csv.reader(io.StringIO(text))
    assert head[:2] == ["model", "billed_usd"]
    assert line[:2] == ['\'=HYPERLINK("http://evil.test","x")', "1.500000"]
