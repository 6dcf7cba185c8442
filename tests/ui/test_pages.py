"""The pages on a real API server and database: what they show, in which order, and with how many queries."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import httpx
import pytest

from airflow_provider_grok.ui import gallery

from . import seeding
from .reading import add_run, count_cards, counted_queries, page, run_page
from .routes import RUN
from .seeding import file_row, receipt

pytestmark = pytest.mark.usefixtures("database")


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
