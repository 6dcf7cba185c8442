"""The review: what Airflow's approval page shows."""

from __future__ import annotations

from airflow_provider_grok.flows.files.result_store import StoredResult
from airflow_provider_grok.operators.review import plain, review_markdown

URL = "https://files-cdn.x.ai/token/file_1.png"


def test_pictures_are_shown_with_caption_link_and_end() -> None:
    text = review_markdown([StoredResult("file_1", "hero.png", None, URL, 1_795_003_600)], ["Red hero"], "share")
    assert text.splitlines() == [
        "## share",
        "",
        "One to look at.",
        "",
        "### 1. Red hero",
        "",
        f"![Red hero]({URL})",
        "",
        f"[Open in full size]({URL}) The link works until 18 November 2026, 12:06 UTC.",
    ]


def test_a_film_is_linked_and_not_shown_as_a_picture() -> None:
    text = review_markdown([StoredResult("file_2", "clip.mp4", None, URL)], [], "share")
    assert f"[Open clip.mp4]({URL})" in text
    assert "![" not in text


def test_a_file_without_a_link_is_counted_and_not_shown() -> None:
    text = review_markdown(
        [StoredResult("file_1", "a.png", None, URL), StoredResult("file_2", "b.png")], ["one", "two"], "share"
    )
    assert "2 to look at." in text
    assert "two" not in text


def test_foreign_text_cannot_make_markup() -> None:
    hostile = "](https://evil.example) <img src=x>\n# big *bold* `code`"
    text = review_markdown([StoredResult("file_1", "a.png", None, URL)], [hostile], "share")
    assert "\n# big" not in text
    assert "](https://evil" not in text.replace("\\](https", "")
    assert "<img" not in text.replace("\\<", "")
    assert plain("a_b\nc") == "a\\_b c"


def test_captions_belong_to_their_files() -> None:
    rows = [StoredResult(f"file_{n}", f"{n}.png", None, f"{URL}{n}") for n in range(3)]
    text = review_markdown(rows, ["one", "two", "three"], "share")
    assert text.index("one") < text.index(f"{URL}0") < text.index("two") < text.index(f"{URL}1")
