"""Batch requests: checks, payloads, and the JSONL form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import batch_requests, batches, errors, files, images, jobs, outcomes, polling, videos

IMAGE = {"model": "grok-imagine-image", "prompt": "a mug", "n": 1}


def row(id: Any = "row-1", kind: str = "image_generation", **body: Any) -> dict[str, Any]:
    return batch_requests.request(id, kind, {**IMAGE, **body})


def line(**fields: Any) -> str:
    return json.dumps(
        {"custom_id": "row-1", "method": "POST", "url": "/v1/images/generations", "body": IMAGE, **fields}
    )


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([], "The batch has no requests"),
        ([row(), row()], r"requests\[1\]: id 'row-1' is there twice"),
        ([row("")], "id '' must have 1 to 128"),
        ([row("a b")], "id 'a b'"),
        ([row("a/b")], "id 'a/b'"),
        ([row("../b")], "id"),
        ([row("ä")], "id 'ä'"),
        ([row("a\n")], "id"),
        ([row("x" * 129)], "1 to 128"),
        ([row(None)], "id None"),
        ([row(7)], "id 7"),
        ([row(kind="image")], "must have exactly one of image_generation, image_edit"),
        ([{"batch_request_id": "a"}], "must have exactly one of"),
        ([{"batch_request_id": "a", "batch_request": {"image_edit": {}, "image_generation": {}}}], "exactly one"),
        ([row(model="")], "names no model"),
        ([row(model="grok-4.5")], "model grok-4.5 does not serve image_generation"),
        ([row(model="grok-imagine-video")], "does not serve image_generation"),
        ([row(kind="video_generation")], "does not serve video_generation"),
        ([row(kind="video_extension", model="grok-imagine-video-1.5")], "cannot edit or extend"),
        ([row(kind="video_generation", model="grok-imagine-video-1.5", video={"file_id": "f"})], "cannot edit"),
        ([row(prompt="x" * 25_000_000)], r"one payload may have 25000000 \(25 MB\)"),
    ],
)
def test_what_would_be_refused_or_lost_is_refused_in_words(requests: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        batch_requests.check(requests)


def test_good_requests_of_every_kind_pass() -> None:
    film = {"model": "grok-imagine-video", "prompt": "x"}
    batch_requests.check(
        [
            row("a"),
            row("b.1", "image_edit"),
            batch_requests.request("c:1", "video_generation", film),
            batch_requests.request("d_1", "video_extension", film),
            batch_requests.request("e-1", "chat_get_completion", {"model": "grok-4.3"}),
            row("f", model="grok-imagine-image-9"),
        ]
    )


def test_payloads_keep_the_order_and_stay_under_the_limit() -> None:
    rows = [row(f"row-{index}", prompt="ü" * 1000) for index in range(100)]
    cut = list(batch_requests.chunks(rows, max_bytes=10_000))
    assert [entry for chunk in cut for entry in chunk] == rows
    sizes = [len(json.dumps({"batch_requests": chunk}, ensure_ascii=False).encode()) for chunk in cut]
    assert max(sizes) < 10_500
    assert len(cut) > 10


def test_payloads_hold_no_more_entries_than_asked() -> None:
    rows = [row(f"row-{index}") for index in range(25)]
    assert [len(chunk) for chunk in batch_requests.chunks(rows, max_count=10)] == [10, 10, 5]
    assert list(batch_requests.chunks([])) == []


def test_a_large_entry_travels_alone() -> None:
    rows = [row("a"), row("b", prompt="x" * 21_000_000), row("c")]
    assert [len(chunk) for chunk in batch_requests.chunks(rows)] == [1, 1, 1]


def test_a_written_file_passes_its_own_check_and_says_where_each_line_goes(tmp_path: Path) -> None:
    edit = videos.edit_body(prompt="at night", video="file_1")
    rows = [
        row("a", prompt="ü\u2028\n"),
        batch_requests.request("b", "image_edit", images.edit_body(prompt="x", model="grok-imagine-image", image="f1")),
        batch_requests.request("c", "video_generation", edit),
    ]
    path = tmp_path / "rows.jsonl"
    batch_requests.write_jsonl(rows, path)
    assert batch_requests.check_jsonl(path) == 3
    lines = [json.loads(text) for text in path.read_bytes().splitlines()]
    assert [entry["url"] for entry in lines] == ["/v1/images/generations", "/v1/images/edits", "/v1/videos/edits"]
    assert [entry["custom_id"] for entry in lines] == ["a", "b", "c"]
    assert lines[0]["body"]["prompt"] == "ü\u2028\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: a batch needs at least one request"),
        (f"{line()}\n{{bad", "rows.jsonl, line 2 is not JSON"),
        (f"{line()}\n\n{line(custom_id='b')}", "line 2 is not JSON"),
        ("[1]", "line 1 is no JSON object but list"),
        (f"{line()}\n{line()}", r"line 2: custom_id: id 'row-1' is there twice"),
        (line(custom_id=None), "line 1: custom_id: id None"),
        (line(url="/v1/embeddings"), "url '/v1/embeddings' is unknown; allowed: /v1/images/generations"),
        (line(method="GET"), "method 'GET'; only POST"),
        (line(body=None), "names no model"),
        (line(body={"model": "grok-4.6"}), "model grok-4.6 does not serve"),
        (
            f"{line()}\n{line(custom_id='b', body={**IMAGE, 'seed': float('nan')})}",
            "line 2 is not JSON .NaN is no number",
        ),
        (line(body={**IMAGE, "seed": float("-inf")}), "line 1 is not JSON .-Infinity is no number"),
        (line(body=IMAGE).replace('"n": 1', '"n": 1e999'), r"line 1\.body\.n=inf is no number"),
        (line(body={**IMAGE, "prompt": "\ud83d"}), r"line 1\.body\.prompt holds half a character"),
        (line(body=IMAGE).replace('"n": 1', '"n": ' + "[" * 100_000), "line 1 is nested too deep"),
        (line(body=IMAGE).replace('"n": 1', '"n": ' + "[" * 70 + "]" * 70), "line 1 is nested more than 60 deep"),
        (line(url=["x"]), r"url \['x'\] is unknown"),
    ],
)
def test_a_bad_line_is_named_before_it_cancels_the_batch(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(errors.InvalidRequest, match=said):
        batch_requests.check_jsonl(path)


def test_a_file_with_too_many_lines_or_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{line(custom_id=f'r{index}')}\n" for index in range(50_001)), encoding="utf-8")
    with pytest.raises(errors.InvalidRequest, match="more than 50000 lines"):
        batch_requests.check_jsonl(path)
    with path.open("wb") as file:
        file.truncate(48_000_001)
    with pytest.raises(errors.InvalidRequest, match="48 MB"):
        batch_requests.check_jsonl(path)


def test_a_batch_is_made_from_a_stored_file(buy: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    batch_requests.write_jsonl([row("a"), row("b")], path)
    stored = buy(files.upload(path))
    made = buy(batches.create("from a file", stored.id))
    assert buy(polling.wait(jobs.Job("batch", made.batch_id, buy.time.now()))).state == "done"
    assert {one.id for one in buy(outcomes.listing(made.batch_id))} == {"a", "b"}
