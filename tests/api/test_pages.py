"""Lists that come page by page: read to their end, each entry once, however the server counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_grok.api import pages
from airflow_provider_grok.api.call import Call


@dataclass(frozen=True)
class Letters:
    """A page."""

    letters: str
    pagination_token: str | None


def read(book: Mapping[str | None, Letters]) -> tuple[list[str], list[str | None]]:
    """What a list comes to, and which pages were asked for."""
    asked: list[str | None] = []

    def ask(token: str | None) -> Call[Letters]:
        asked.append(token)
        return Call("GET", f"/letters?{token}", lambda answer: Letters("", None))

    flow = pages.whole(ask, lambda page: page.letters, str)
    next(flow)
    try:
        while True:
            flow.send(book[asked[-1]])
    except StopIteration as end:
        return end.value, asked


def test_a_list_ends_with_the_page_that_has_no_token() -> None:
    book = {None: Letters("ab", "2"), "2": Letters("c", None)}
    assert read(book) == (["a", "b", "c"], [None, "2"])


def test_an_empty_token_is_none() -> None:
    assert read({None: Letters("a", "")}) == (["a"], [None])


def test_what_comes_twice_is_kept_once_in_its_first_place() -> None:
    assert read({None: Letters("ab", "2"), "2": Letters("bc", None)}) == (["a", "b", "c"], [None, "2"])


def test_a_server_that_repeats_itself_does_not_keep_us() -> None:
    assert read({None: Letters("a", "2"), "2": Letters("a", "2")}) == (["a"], [None, "2"])
