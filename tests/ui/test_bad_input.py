"""Whatever lies in XCom, the pages stand, leak nothing, and say what is missing."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import httpx
import pytest

from airflow_provider_grok.ui import gallery

from . import seeding
from .reading import add_run, count_cards, counted_queries, page, run_page, tags
from .routes import RUN
from .seeding import file_row, receipt

pytestmark = pytest.mark.usefixtures("database")
NASTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}'


def test_a_run_s_id_may_hold_a_slash_and_a_question_mark(boss: httpx.Client) -> None:
    run = "manual/a?b#c d%2F+00:00"
    add_run(run_id=run)
    seeding.add_task("shop", run, "edit", {"receipt": receipt(file_row())})
    links = set(re.findall(r'href="(/grok/gallery/dags/shop/run/[^"]+)"', page(boss, "/gallery")))
    (link,) = links
    assert count_cards(boss.get(html.unescape(link)).text) == 1


def test_a_run_of_5000_mapped_tasks_stands_with_as_few_queries(boss: httpx.Client) -> None:
    add_run()
    told = [{"receipt": receipt(file_row(f"file_{number}"), prompt="p" * 500)} for number in range(5_000)]
    seeding.add_tasks("shop", RUN, "edit", told)
    run_page(boss)
    with counted_queries() as queries:
        started = time.process_time()
        text = run_page(boss)
        seconds = time.process_time() - started
    assert len(queries) <= 6, queries
    assert seconds < 3, "of the processor, server and reader together: a busy machine does not count"
    assert "5000 results" in text
    assert "<strong>200.0000 USD</strong>" in text
    assert count_cards(text) == gallery.PAGE
    with counted_queries() as queries:
        page(boss, "/gallery")
    assert len(queries) <= 6, queries
    with counted_queries() as queries:
        page(boss, f"/gallery/dags/shop/task/edit/4999/run/{RUN}")
    assert len(queries) <= 6, queries


@pytest.mark.parametrize("where", ["prompt", "model", "file_id", "filename", "public_url", "reason", "sources", "conn"])
def test_markup_anywhere_in_a_receipt_stays_text(boss: httpx.Client, where: str) -> None:
    add_run()
    row = file_row(**({where: NASTY} if where in ("file_id", "filename", "public_url", "reason") else {}))
    told = receipt(row, grok_conn_id=NASTY if where == "conn" else "grok_default")
    told["request"] |= {where: [NASTY] if where == "sources" else NASTY}
    seeding.add_task("shop", RUN, "edit", {"receipt": told}, map_index=0, label=NASTY)
    kept = told | {"counts": {NASTY: 1, "kept": 1}}
    seeding.add_task("shop", RUN, "keep", {"receipt": kept, "return_value": [NASTY]})
    for path in ("/gallery", "/gallery/dags/shop", f"/gallery/dags/shop/run/{RUN}", "/spend?by=model&days=365"):
        for tag, attributes in tags(page(boss, path)):
            assert tag != "img" or attributes["src"] != "x"
            assert tag != "script" or attributes["src"].startswith("/grok/static/")
            assert not [name for name in attributes if name.startswith("on")]
    assert NASTY in html.unescape(run_page(boss)), "it is shown, as text"


def test_a_forged_receipt_puts_no_foreign_address_where_a_browser_would_load_it(boss: httpx.Client) -> None:
    add_run()
    evil = "https://evil.test/track.png"
    row = file_row(public_url=evil, filename=evil)
    told = receipt(row, sources=[evil], prompt=evil, request_id=evil)
    told["request"]["model"] = evil
    seeding.add_task("shop", RUN, "edit", {"receipt": told, "public_url": evil, "return_value": evil})
    told = {"counts": {"kept": 1}, "request_id": evil}
    seeding.add_task(
        "shop", RUN, "keep", {"receipt": told, "public_url": [evil], "return_value": ["file_1"], "manifest": evil}
    )
    for path in ("/gallery", "/gallery/dags/shop", f"/gallery/dags/shop/run/{RUN}", "/spend"):
        found = re.findall(r'(?:src|href|poster|action|data-src|data-link|data-source)="([^"]*)"', page(boss, path))
        assert not [one for one in found if "evil" in one]


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [],
        "s3://bucket/key",
        {},
        {"files": 7, "request": 7, "usage": [], "billed": 7, "counts": [1]},
        "x" * 10_000,
    ],
)
def test_a_receipt_of_any_shape_leaves_every_page_standing(boss: httpx.Client, value: Any) -> None:
    add_run()
    seeding.add_task("shop", RUN, "odd", {"receipt": value})
    seeding.add_task("shop", RUN, "edit", {"receipt": receipt(file_row())})
    for path in ("/gallery", "/gallery/dags/shop", f"/gallery/dags/shop/run/{RUN}", "/spend", "/spend.csv"):
        page(boss, path)
    assert 'data-file="file_1"' in run_page(boss)
    if isinstance(value, str):
        assert "an XCom backend keeps it elsewhere" in html.unescape(run_page(boss))


def test_long_and_reversed_prompts_are_shown_as_far_as_they_go(boss: httpx.Client) -> None:
    add_run()
    prompts = ["x" * 10_000, "\u202egnp.exe", "\u05e9\u05dc\u05d5\u05dd", "a\nb\tc"]
    seeding.add_tasks(
        "shop", RUN, "edit", [{"receipt": receipt(file_row(f"file_{n}"), prompt=one)} for n, one in enumerate(prompts)]
    )
    text = run_page(boss)
    assert "(10000 characters)" in text
    assert "\u202e" not in text
    assert "\u05e9\u05dc\u05d5\u05dd" in text
    assert len(text) < 60_000


def test_a_dag_may_have_a_name_in_any_letters(boss: httpx.Client) -> None:
    dag_id = "магазин-商店"
    add_run(dag_id)
    seeding.add_task(dag_id, RUN, "edit", {"receipt": receipt(file_row())})
    assert count_cards(run_page(boss, dag_id)) == 1
    for link in set(re.findall(r'href="(/grok/[^"]+)"', page(boss, "/gallery"))):
        assert boss.get(html.unescape(link)).status_code == 200, link
    assert dag_id in page(boss, "/spend?by=dag&days=365")


def test_an_empty_run_says_what_may_be_missing(boss: httpx.Client) -> None:
    add_run()
    text = run_page(boss)
    assert "cleared" in text
    assert "deleted" in text
    assert "No results yet" in page(boss, "/gallery")


def test_a_batch_whose_lists_are_gone_says_so(boss: httpx.Client) -> None:
    add_run()
    seeding.add_task("shop", RUN, "keep", {"receipt": {"counts": {"requests": 2, "kept": 2}, "request_id": "batch_1"}})
    text = run_page(boss)
    assert "no list of results is left in XCom" in text
    assert "batch_1" in text


def test_the_pages_hold_no_inline_script_or_style(boss: httpx.Client) -> None:
    add_run()
    seeding.add_task("shop", RUN, "edit", {"receipt": receipt(file_row(), sources=["file_0"])})
    for path in ("/gallery", "/gallery/dags/shop", f"/gallery/dags/shop/run/{RUN}", "/spend?days=365"):
        text = page(boss, path)
        assert not re.findall(r"<style|style=|\son\w+=|javascript:", text)
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", text))
