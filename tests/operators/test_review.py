"""The review: what Airflow's approval page shows."""

from __future__ import annotations

from airflow_provider_grok.flows.files.result_store import StoredResult
from airflow_provider_grok.operators.review import costs_of, plain, review_markdown

URL = "https://files-cdn.x.ai/token/file_1.png"


def test_a_picture_is_shown_with_number_words_cost_link_and_end() -> None:
    row = StoredResult("file_1", "hero.png", None, URL, 1_795_003_600)
    text = review_markdown([row], ["Red hero"], "share", {"file_1": 0.07})
    assert text.splitlines() == [
        "## share",
        "",
        "One to look at. The links work until 18 November 2026, 12:06 UTC.",
        "",
        "|   |   |   |",
        "| :---: | :---: | :---: |",
        f"| ![Red hero]({URL}) |  |  |",
        "| **1** · Red hero · 0.07 USD |  |  |",
        f"| [Open in full size]({URL}) |  |  |",
    ]


def test_pictures_stand_three_across_in_one_table() -> None:
    rows = [StoredResult(f"file_{n}", f"{n}.jpg", None, f"{URL}{n}") for n in range(5)]
    lines = [line for line in review_markdown(rows, [], "share").splitlines() if line.startswith("|")]
    assert all(line.count("|") == 4 for line in lines)
    assert [line.count("![") for line in lines] == [0, 0, 3, 0, 0, 2, 0, 0]
    assert "**4**" in lines[6]


def test_no_file_name_is_a_heading() -> None:
    rows = [StoredResult("file_1", "shop.edit.0123456789abcd.jpg", None, URL)]
    assert "0123456789abcd" not in review_markdown(rows, [], "share")


def test_ends_that_differ_stand_at_each() -> None:
    rows = [StoredResult(f"file_{n}", "a.png", None, URL, 1_795_003_600 + 86_400 * n) for n in range(2)]
    text = review_markdown(rows, [], "share")
    assert "until 18 November" in text
    assert "until 19 November" in text


def test_a_film_is_linked_and_not_shown_as_a_picture() -> None:
    text = review_markdown([StoredResult("file_2", "clip.mp4", None, URL)], [], "share")
    assert f"[**Play film 1**]({URL})" in text
    assert "![" not in text


def test_a_file_without_a_link_is_counted_and_not_shown() -> None:
    rows = [StoredResult("file_1", "a.png", None, URL), StoredResult("file_2", "b.png")]
    text = review_markdown(rows, ["one", "two"], "share")
    assert "2 to look at." in text
    assert "two" not in text


def test_foreign_text_cannot_make_markup() -> None:
    hostile = "](https://evil.example) <img src=x>\n# big *bold* `code` | cell"
    text = review_markdown([StoredResult("file_1", "a.png", None, URL)], [hostile], "share")
    assert "\n# big" not in text
    assert "](https://evil" not in text.replace("\\](https", "")
    assert "<img" not in text.replace("\\<", "")
    assert all(line.replace("\\|", "").count("|") == 4 for line in text.splitlines() if line.startswith("|"))
    assert plain("a_b\nc") == "a\\_b c"


def test_captions_belong_to_their_files() -> None:
    rows = [StoredResult(f"file_{n}", f"{n}.png", None, f"{URL}{n}") for n in range(3)]
    text = review_markdown(rows, ["one", "two", "three"], "share")
    assert text.index("one") < text.index(f"{URL}0") < text.index("two") < text.index(f"{URL}1")


def test_a_receipt_tells_what_each_of_its_files_cost() -> None:
    rows = [{"file_id": "file_1"}, {"file_id": "file_2"}, {"file_id": None}]
    receipt = {"files": rows, "request": {"prompt": "a bike"}, "usage": {"cost_usd": 0.08}}
    assert costs_of([receipt, "words"]) == {"file_1": 0.04, "file_2": 0.04}
