"""Input files of batches: read from wherever they lie, checked, stored once under names of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, asked
from tests.batch_run import Settle, Store, ask, content, persisting, submission

BODY = {"model": "grok-imagine-image", "prompt": "a bike"}


def line(id: str, url: str = "/v1/images/generations", **body: object) -> str:
    return json.dumps({"custom_id": id, "method": "POST", "url": url, "body": {**BODY, **body}}) + "\n"


@pytest.fixture
def night(tmp_path: Path) -> Path:
    path = tmp_path / "night.jsonl"
    path.write_text(line("a") + line("b", n=2), encoding="utf-8")
    return path


def test_a_file_behind_a_trusted_link_is_read(sandbox: Sandbox, settle: Settle, night: Path) -> None:
    from tests.airflow_task import picture

    stored = ask(
        sandbox,
        "POST",
        "/files",
        files={"file": ("x.png", picture(night.with_suffix(".png")).read_bytes(), "image/png")},
    )
    link = ask(sandbox, "POST", f"/files/{stored['id']}/public-url", json={})["public_url"]
    with pytest.raises(AirflowFailException, match="line 1 is not JSON"):
        submission(input_file=link).execute()


def test_a_foreign_link_is_not_followed(sandbox: Sandbox, settle: Settle) -> None:
    with pytest.raises(AirflowFailException, match=r"not fetched from 'https://evil\.example'.*download_hosts"):
        submission(input_file="https://evil.example/night.jsonl").execute()
    assert not asked(sandbox, "POST")


@pytest.mark.parametrize(
    ("source", "said"),
    [("data:,x", "data URL"), ("file_12", "stored already"), ("nostorage://b/x.jsonl", "cannot be opened")],
)
def test_what_is_no_file_is_refused_in_words(sandbox: Sandbox, settle: Settle, source: str, said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        submission(input_file=source).execute()
    assert not asked(sandbox, "POST")


def test_what_goes_up_is_ours_lives_a_week_and_is_stored_once(
    sandbox: Sandbox, settle: Settle, night: Path, time: Time
) -> None:
    run = submission(input_file=str(night), reuse="attempt")
    first = ask(sandbox, "GET", f"/batches/{run.execute()}")["input_file_id"]
    file = ask(sandbox, "GET", f"/files/{first}")
    assert file["expires_at"] - file["created_at"] == 7 * 86_400
    names = [json.loads(row)["body"]["storage_options"]["filename"] for row in content(sandbox, first).splitlines()]
    assert [name.rpartition(".")[2] for name in names] == ["jpg", "jpg"]
    assert len(asked(sandbox, "POST", "/v1/files")) == 1
    assert run.execute()
    assert len(asked(sandbox, "POST", "/v1/files")) == 1


def test_storage_options_of_the_file_itself_are_left_alone(
    sandbox: Sandbox, settle: Settle, night: Path, time: Time
) -> None:
    night.write_text(line("a", storage_options={"filename": "mine.jpg"}), encoding="utf-8")
    batch = submission(input_file=str(night)).execute()
    (kept,) = persisting(batch).execute()
    assert ask(sandbox, "GET", f"/files/{kept}")["filename"] == "mine.jpg"


def test_a_video_line_of_any_spelling_is_taken(
    sandbox: Sandbox, settle: Settle, store: Store, night: Path, time: Time
) -> None:
    film = {"model": "grok-imagine-video", "duration": 2}
    night.write_text(line("a", "/v1/videos", **film) + line("b", "/v1/videos/generations", **film), encoding="utf-8")
    first = persisting(submission(input_file=str(night)).execute()).execute()
    source = {"model": "grok-imagine-video", "video": {"file_id": first[0]}}
    night.write_text(line("c", "/v1/videos/edits", **source) + line("d", "/v1/videos/extensions", **source))
    run = persisting(submission(input_file=str(night), of={"run_id": "tuesday"}).execute())
    assert len(set(run.execute())) == 2
    assert run.receipt["counts"] == {"requests": 2, "kept": 2}
