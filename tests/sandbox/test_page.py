"""The look of the gallery: amounts, sizes, and what is missing."""

from __future__ import annotations

from airflow_provider_grok.sandbox.page import Gallery, dollars, render, size, text


def test_amounts_and_sizes_are_spelled_to_be_read() -> None:
    assert (dollars(8_500_000_000), dollars(0)) == ("$0.8500", "$0.0000")
    assert (size(17_281), size(2_500_000)) == ("17.3 kB", "2.5 MB")


def test_a_lost_answer_is_called_lost() -> None:
    assert (text(None), text(200)) == ("lost", "200")


def test_an_empty_gallery_says_so() -> None:
    page = render(Gallery(when="2026-11-22 10:00:00", cards=[], requests=[], charges=[], total_ticks=0))
    assert "No files yet." in page
    assert "<table>" not in page
