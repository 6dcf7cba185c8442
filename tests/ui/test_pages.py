"""The pages on a real API server and database: what they show, what they count, and that bad input breaks none."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from sqlalchemy import event

from airflow_provider_grok.ui import gallery

from . import seeding
from .api_server import ApiServer
from .routes import RUN
from .seeding import file_row, receipt

pytestmark = pytest.mark.usefixtures("database")
NASTY = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}'


@pytest.fixture
def boss(server: ApiServer) -> Iterator[httpx.Client]:
    with server.client(server.token(SimpleAuthManagerUser(username="boss", role="ADMIN", teams=[]))) as client:
        yield client


def add_run(dag_id: str = "shop", run_id: str = RUN) -> None:
    seeding.add_dag(dag_id)
    seeding.add_run(dag_id, run_id)


def page(client: httpx.Client, path: str) -> str:
    answer = client.get(f"/grok{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def run_page(client: httpx.Client, dag_id: str = "shop", query: str = "") -> str:
    return page(client, f"/gallery/dags/{quote(dag_id)}/run/{RUN}{query}")


def count_cards(text: str) -> int:
    return len(re.findall(r"<article class=\"card", text))


def tags(text: str) -> list[tuple[str, dict[str, str]]]:
    """Every element of a page, as a browser reads it, with its attributes."""
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: value or "" for name, value in attrs}))

    Reader().feed(text)
    return found


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Every statement that any thread of this process sends to Airflow's database."""
    from airflow.settings import engine

    found: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_run_shows_its_results_sum_and_sources(boss: httpx.Client) -> None:
    add_run()
    first = receipt(file_row("file_a"), sources=["https://files-cdn.x.ai/t/hero.png"])
    seeding.add_task("shop", RUN, "first", {"receipt": first})
    seeding.add_task(
        "shop", RUN, "second", {"receipt": receipt(file_row("file_b"), sources=["file_a"], prompt="in blue")}
    )
    text = run_page(boss)
    assert count_cards(text) == 2
    assert "<strong>0.0800 USD</strong>" in text
    assert 'src="https://files-cdn.x.ai/token/file_b.png"' in text
    assert "in blue" in text
    assert 'class="strip"' in text
    assert "4.2 s" in text
    assert "grok-imagine-image-2.0" in text


def test_a_film_has_controls(boss: httpx.Client) -> None:
    add_run()
    film = file_row("file_v", filename="x.mp4", public_url="https://files-cdn.x.ai/t/v.mp4")
    seeding.add_task("shop", RUN, "clip", {"receipt": receipt(film)})
    assert re.search(r'<video src="https://files-cdn.x.ai/t/v.mp4" controls', run_page(boss))


def test_a_task_instance_shows_its_own_results_with_the_lineage_of_its_run(boss: httpx.Client) -> None:
    add_run()
    seeding.add_task("shop", RUN, "first", {"receipt": receipt(file_row("file_a"))})
    told = [receipt(file_row(f"file_m{index}"), sources=["file_a"]) for index in range(3)]
    seeding.add_tasks("shop", RUN, "second", [{"receipt": one} for one in told])
    text = page(boss, f"/gallery/dags/shop/task/second/1/run/{RUN}")
    assert count_cards(text) == 1
    assert 'data-file="file_m1"' in text
    assert 'data-source="https://files-cdn.x.ai/token/file_a.png"' in text
    # Airflow leaves its placeholder as it is where a task is not mapped.
    text = page(boss, f"/gallery/dags/shop/task/first/{quote('{MAP_INDEX}')}/run/{RUN}")
    assert 'data-file="file_a"' in text


def test_the_first_page_and_the_page_of_a_dag_show_the_newest_runs_first(boss: httpx.Client) -> None:
    seeding.add_dag("shop")
    for day in range(3):
        run = f"run-{day}"
        seeding.add_run("shop", run, seeding.START + timedelta(days=day))
        seeding.add_task("shop", run, "edit", {"receipt": receipt(file_row(f"file_{day}"))})
    for path in ("/gallery", "/gallery/dags/shop"):
        text = page(boss, path)
        places = [text.index(f"token/file_{day}.png") for day in range(3)]
        assert places == sorted(places, reverse=True), path


def test_a_run_s_id_may_hold_a_slash_and_a_question_mark(boss: httpx.Client) -> None:
    run = "manual/a?b#c d%2F+00:00"
    add_run(run_id=run)
    seeding.add_task("shop", run, "edit", {"receipt": receipt(file_row())})
    links = set(re.findall(r'href="(/grok/gallery/dags/shop/run/[^"]+)"', page(boss, "/gallery")))
    (link,) = links
    assert count_cards(boss.get(html.unescape(link)).text) == 1


def test_labels_of_mapped_tasks_are_shown(boss: httpx.Client) -> None:
    add_run()
    seeding.add_tasks("shop", RUN, "edit", [{"receipt": receipt(file_row())}], labels=["the red mug"])
    assert "the red mug" in run_page(boss)


def test_the_filter_works_and_says_how_much_it_shows(boss: httpx.Client) -> None:
    add_run()
    seeding.add_task("shop", RUN, "one", {"receipt": receipt(file_row("file_a"), prompt="red mug")})
    seeding.add_task("shop", RUN, "two", {"receipt": receipt(file_row("file_b"), prompt="blue mug", reused=True)})
    for query in ("?q=blue", "?state=reused", "?task=two"):
        text = run_page(boss, query=query)
        assert count_cards(text) == 1
        assert 'data-file="file_b"' in text
        assert "1 of 2" in text
    assert "No result fits" in run_page(boss, query="?q=green")
    assert count_cards(run_page(boss, query="?state=nonsense")) == 2


def test_a_batch_of_500_comes_in_parts_with_few_queries(boss: httpx.Client) -> None:
    add_run()
    ids = [f"file_{number}" for number in range(500)]
    links = [f"https://files-cdn.x.ai/t/{one}.png" for one in ids]
    told = receipt(request_id="batch_1", counts={"requests": 500, "kept": 500})
    del told["files"]
    pushed = {"receipt": told, "return_value": ids, "public_url": links, "manifest": "file_m"}
    seeding.add_task("shop", RUN, "keep", pushed, operator="GrokPersistOperator")
    run_page(boss)
    with counted_queries() as queries:
        text = run_page(boss)
    assert len(queries) <= 6, queries
    assert "500 results" in text
    seen = re.findall(r'data-file="(file_\d+)"', text)
    assert len(seen) == gallery.PAGE
    while more := re.search(r'class="more" href="([^"]+)"', text):
        answer = boss.get(html.unescape(more[1]))
        text = answer.text
        assert "<html" not in text
        seen += re.findall(r'data-file="(file_\d+)"', text)
    assert seen == ids


def test_a_run_of_5000_mapped_tasks_stands_with_as_few_queries(boss: httpx.Client) -> None:
    add_run()
    told = [{"receipt": receipt(file_row(f"file_{number}"), prompt="p" * 500)} for number in range(5_000)]
    seeding.add_tasks("shop", RUN, "edit", told)
    run_page(boss)
    with counted_queries() as queries:
        started = time.monotonic()
        text = run_page(boss)
        seconds = time.monotonic() - started
    assert len(queries) <= 6, queries
    assert seconds < 5
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


def test_spend_says_how_many_receipts_could_not_be_read(boss: httpx.Client) -> None:
    add_run()
    seeding.add_task("shop", RUN, "odd", {"receipt": "s3://bucket/key"}, at=datetime.now(timezone.utc))
    assert "1 receipts could not be read" in page(boss, "/spend")


def test_spend_is_summed_and_says_what_is_missing(boss: httpx.Client) -> None:
    add_run()
    now = datetime.now(timezone.utc)
    told = [{"receipt": receipt(file_row(), submitted_at=now.timestamp())} for _ in range(3)]
    seeding.add_tasks("shop", RUN, "edit", told, at=now - timedelta(minutes=1))
    text = page(boss, "/spend?by=task&days=7")
    assert "<strong>0.1200 USD</strong>" in text
    assert "shop.edit" in text
    assert "cleared" in text
    assert "deleted" in text
    assert "<svg" in text
    answer = boss.get("/grok/spend/dags/shop/table.csv?by=model&days=7")
    assert answer.headers["content-disposition"] == 'attachment; filename="grok-spend-by-model.csv"'
    assert answer.text.splitlines()[1] == "grok-imagine-image-2.0,0.120000,0.000000,0.000000,0.000000,3,3,0"


def test_the_pages_hold_no_inline_script_or_style(boss: httpx.Client) -> None:
    add_run()
    seeding.add_task("shop", RUN, "edit", {"receipt": receipt(file_row(), sources=["file_0"])})
    for path in ("/gallery", "/gallery/dags/shop", f"/gallery/dags/shop/run/{RUN}", "/spend?days=365"):
        text = page(boss, path)
        assert not re.findall(r"<style|style=|\son\w+=|javascript:", text)
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", text))
