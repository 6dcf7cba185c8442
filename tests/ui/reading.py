"""Pages as a reader gets them: asked for, taken apart, and their queries counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx
from sqlalchemy import event

from . import seeding
from .routes import RUN


def add_run(dag_id: str = "shop", run_id: str = RUN) -> None:
    """A DAG with one run."""
    seeding.add_dag(dag_id)
    seeding.add_run(dag_id, run_id)


def page(client: httpx.Client, path: str) -> str:
    """A page that is there."""
    answer = client.get(f"/grok{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def run_page(client: httpx.Client, dag_id: str = "shop", query: str = "") -> str:
    """The page of the run."""
    return page(client, f"/gallery/dags/{quote(dag_id)}/run/{RUN}{query}")


def count_cards(text: str) -> int:
    """How many results a page shows."""
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
