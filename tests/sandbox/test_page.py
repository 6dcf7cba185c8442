"""The look of the gallery: amounts, sizes, tables, and what an empty one teaches."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from airflow_provider_grok.sandbox.page import (
    Cell,
    FirstSteps,
    Frame,
    Pages,
    Table,
    dollars,
    render_files,
    render_table,
    size,
    templates,
)

HOSTILE = "<img src=x onerror=alert(1)>\u202e'\""


def test_amounts_and_sizes_are_spelled_to_be_read() -> None:
    assert (dollars(8_500_000_000), dollars(0)) == ("$0.8500", "$0.0000")
    assert (size(17_281), size(2_500_000)) == ("17.3 kB", "2.5 MB")


def test_an_empty_gallery_says_so_and_teaches_the_first_steps() -> None:
    first_steps = FirstSteps(
        "export AIRFLOW_CONN_GROK_DEFAULT='{}'", "http://127.0.0.1:1/v1", "http://127.0.0.1:1", "xai-sandbox"
    )
    page = render_files(Frame([]), [], first_steps=first_steps)
    assert "No files yet." in page
    assert "export AIRFLOW_CONN_GROK_DEFAULT=" in page
    assert "curl -s http://127.0.0.1:1/v1/images/generations" in page
    assert "<table>" not in page
    assert "curl" not in render_files(Frame([]), [])


def test_a_table_without_rows_says_so() -> None:
    assert "None yet." in render_table(Frame([]), Table("", ("a",), []))


def test_every_text_is_escaped_and_a_missing_one_is_an_error() -> None:
    page = render_table(Frame([HOSTILE], title=HOSTILE), Table(HOSTILE, (HOSTILE,), [[Cell(HOSTILE, HOSTILE)]]))
    assert "<img" not in page
    assert page.count("&lt;img") == 7
    with pytest.raises(UndefinedError):
        templates().from_string("{{ nothing }}").render()


def test_pages_lead_to_their_neighbours() -> None:
    page = render_table(Frame([]), Table("", ("a",), [[Cell("b")]]), pages=Pages(2, 3, "/?page=1", "/?page=3"))
    assert 'href="/?page=1"' in page and 'href="/?page=3"' in page and "page 2 of 3" in page
