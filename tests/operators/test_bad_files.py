"""Bad input to the file operators: the error names the value, the limit and the remedy; nothing is sent in vain."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.operators.files import (
    GrokDeleteOperator,
    GrokDownloadOperator,
    GrokShareOperator,
    GrokUnshareOperator,
    GrokUploadOperator,
)
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked, connect, picture

Store = Callable[..., str]
LIVES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "59 minutes": ({"expires_after": timedelta(minutes=59)}, ["59 minutes", "1 hour to 30 days"]),
    "31 days": ({"expires_after": timedelta(days=31)}, ["expires_after=2678400", "1 hour to 30 days"]),
    "text": ({"expires_after": "a while"}, ["expires_after='a while'", "a number of seconds"]),
    "naive": ({"expires_at": datetime(2026, 12, 24)}, ["2026-12-24", "no time zone", "pendulum.datetime"]),
    "both": (
        {"expires_after": 7200, "expires_at": "2026-12-24T18:00:00+01:00"},
        ["expires_after=7200", "expires_at='2026-12-24T18:00:00+01:00'", "Give one of them"],
    ),
}


def refused(operator: type[Any], error: type[Exception] = AirflowFailException, **arguments: Any) -> str:
    with pytest.raises(error) as caught:
        TaskRun(operator, task_id="x", **arguments).execute()
    assert type(caught.value) is error
    return str(caught.value)


# -- upload --------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    message = refused(GrokUploadOperator, source=str(tmp_path / "hero.png"))
    assert str(tmp_path / "hero.png") in message
    assert "machine that runs the task" in message
    assert sandbox.journal == []


def test_a_folder_is_no_file(sandbox: Sandbox, tmp_path: Path) -> None:
    assert str(tmp_path) in refused(GrokUploadOperator, source=str(tmp_path))
    assert sandbox.journal == []


@pytest.mark.parametrize(("size", "remedy"), [(0, "Was it written at all?"), (49_000_000, "Make it smaller")])
def test_an_empty_and_a_huge_file_are_refused_unsent(sandbox: Sandbox, tmp_path: Path, size: int, remedy: str) -> None:
    path = tmp_path / "hero.png"
    path.touch()
    os.truncate(path, size)
    message = refused(GrokUploadOperator, source=str(path))
    for word in (str(path), f"has {size} bytes", "48 MB", remedy):
        assert word in message
    assert sandbox.journal == []


def test_a_huge_object_is_refused_unsent(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "hero.png"
    path.touch()
    os.truncate(path, 49_000_000)
    message = refused(GrokUploadOperator, source=f"file://{path}")
    assert f"file://{path} has" in message
    assert "48 MB" in message
    assert sandbox.journal == []


def test_a_storage_that_nobody_knows_is_named_with_the_remedy(sandbox: Sandbox) -> None:
    message = refused(GrokUploadOperator, source="attic://bucket/hero.png")
    assert "attic://bucket/hero.png cannot be opened" in message
    assert "Install the provider of that storage" in message
    assert sandbox.journal == []


def test_an_object_that_is_missing_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    message = refused(GrokUploadOperator, source=f"file://{tmp_path}/nothing.png")
    assert f"file://{tmp_path}/nothing.png cannot be read (FileNotFoundError)" in message
    assert "Check the path" in message
    assert sandbox.journal == []


def test_a_link_on_a_foreign_host_is_refused_with_the_remedy(sandbox: Sandbox) -> None:
    message = refused(GrokUploadOperator, source="https://example.com/hero.png")
    assert "https://example.com" in message
    assert "`download_hosts`" in message
    assert sandbox.journal == []


def test_a_link_that_died_is_named(sandbox: Sandbox) -> None:
    url = sandbox.url.replace("/v1", "/files-cdn/gone/hero.png")
    assert "/files-cdn/gone/hero.png answered 404" in refused(GrokUploadOperator, source=url)


def test_a_file_id_is_stored_already(sandbox: Sandbox) -> None:
    message = refused(GrokUploadOperator, source="file_0b9d6d3e-6c0e-4c38-8d28-0d2b9f8a1c11")
    assert "source='file_0b9d6d3e-6c0e-4c38-8d28-0d2b9f8a1c11' is a file id" in message
    assert "stored already" in message
    assert sandbox.journal == []


@pytest.mark.parametrize("source", ["", None, [], "None", " "])
def test_no_source_at_all_is_refused(sandbox: Sandbox, source: Any) -> None:
    message = refused(GrokUploadOperator, source=source)
    assert f"source={source!r} is nothing to upload" in message
    assert sandbox.journal == []


def test_a_data_url_is_no_source(sandbox: Sandbox) -> None:
    message = refused(GrokUploadOperator, source="data:image/png;base64,iVBORw0KGgo=")
    assert "data URL" in message
    assert "Write the picture to a file" in message
    assert sandbox.journal == []


def test_one_name_for_two_files_is_refused(sandbox: Sandbox) -> None:
    message = refused(GrokUploadOperator, source=["a.png", "b.png"], filename="c.png")
    assert "filename='c.png' would name 2 files" in message
    assert sandbox.journal == []


@pytest.mark.parametrize("name", ["a;b.png", 'a"b.png', "a\\b.png", "a\nb.png"])
def test_a_name_that_the_api_does_not_take_is_refused(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    message = refused(GrokUploadOperator, source=str(picture(tmp_path / "hero.png")), filename=name)
    assert "Give another `filename`" in message
    assert sandbox.journal == []


@pytest.mark.parametrize(("arguments", "words"), LIVES.values(), ids=LIVES.keys())
def test_a_life_out_of_bounds_is_refused_unsent(
    sandbox: Sandbox, tmp_path: Path, arguments: dict[str, Any], words: list[str]
) -> None:
    message = refused(GrokUploadOperator, source=str(picture(tmp_path / "hero.png")), **arguments)
    for word in words:
        assert word in message
    assert sandbox.journal == []


def test_an_unknown_reuse_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    message = refused(GrokUploadOperator, source=str(picture(tmp_path / "hero.png")), reuse="sometimes")
    assert "reuse='sometimes' is none of 'run', 'attempt' and 'always'" in message
    assert sandbox.journal == []


def test_a_wrong_key_at_an_upload_is_not_tried_again(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, password="xai-a-key-of-yesterday")
    message = refused(GrokUploadOperator, source=str(picture(tmp_path / "hero.png")))
    assert "Check the API key" in message
    assert "yesterday" not in message


def test_a_sandbox_that_is_not_running_is_worth_a_retry(
    time: Time, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused: str
) -> None:
    connect(monkeypatch, host=f"http://{unused}/v1", password="xai-sandbox")
    message = refused(GrokUploadOperator, AirflowException, source=str(picture(tmp_path / "hero.png")))
    assert f"nothing answers at {unused}" in message


# -- share ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hero.webp", "notes.txt", "anim.gif"])
def test_what_cannot_be_shared_is_refused_with_what_can(sandbox: Sandbox, store: Store, name: str) -> None:
    file_id = store("hero.webp")
    sandbox.backend.store.change("UPDATE files SET filename = ?", name)
    message = refused(GrokShareOperator, file=file_id)
    for word in (file_id, name, "only PNG, JPEG, MP4 and PDF", "Convert it"):
        assert word in message
    assert not asked(sandbox, "POST", "/public-url")


def test_a_webp_under_another_name_is_refused_by_the_server_and_not_tried_again(sandbox: Sandbox, store: Store) -> None:
    file_id = store("hero.webp")
    sandbox.backend.store.change("UPDATE files SET filename = 'hero.png'")
    message = refused(GrokShareOperator, file=file_id)
    assert file_id in message
    assert "image/webp" in message


def test_a_link_that_outlives_its_file_is_refused_unsent(sandbox: Sandbox, store: Store) -> None:
    file_id = store(expires_after="7200")
    message = refused(GrokShareOperator, file=file_id, expires_after="86400")
    for word in ("live 86400 s", file_id, "s more", "expires_after=None"):
        assert word in message
    assert not asked(sandbox, "POST", "/public-url")


def test_the_quota_of_links_is_named_with_the_remedy(
    sandbox: Sandbox, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.backend, "settings", replace(sandbox.backend.settings, link_quota=1))
    TaskRun(GrokShareOperator, task_id="x", file=store()).execute()
    message = refused(GrokShareOperator, file=store(shade=1))
    for word in ("at most 1 active public URLs", "GrokUnshareOperator", "expires_after"):
        assert word in message
    assert len(asked(sandbox, "POST", "/public-url")) == 2


@pytest.mark.parametrize(("arguments", "words"), LIVES.values(), ids=LIVES.keys())
def test_a_links_life_out_of_bounds_is_refused_unsent(
    sandbox: Sandbox, arguments: dict[str, Any], words: list[str]
) -> None:
    message = refused(GrokShareOperator, file="file_1", **arguments)
    for word in words:
        assert word in message
    assert sandbox.journal == []


def test_captions_that_are_too_few_are_refused(sandbox: Sandbox) -> None:
    message = refused(GrokShareOperator, file=["file_1", "file_2"], captions=["one"])
    assert "captions has 1 texts for 2 files" in message
    assert sandbox.journal == []


# -- all -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (GrokShareOperator, {}),
        (GrokUnshareOperator, {}),
        (GrokDeleteOperator, {}),
        (GrokDownloadOperator, {"destination": "/tmp/x/"}),
    ],
)
@pytest.mark.parametrize("file", ["../secrets", "https://files-cdn.x.ai/a/b.png", "hero picture", "a/b", "-rf"])
def test_what_is_no_file_id_is_refused_unsent(
    sandbox: Sandbox, operator: type[Any], arguments: dict[str, Any], file: str
) -> None:
    message = refused(operator, file=["file_1", file], **arguments)
    assert f"{file!r} is no file id" in message
    assert "GrokUploadOperator" in message
    assert sandbox.journal == []


@pytest.mark.parametrize(
    ("operator", "arguments"), [(GrokShareOperator, {}), (GrokDownloadOperator, {"destination": "/tmp/x/"})]
)
def test_a_file_that_is_gone_is_named(
    sandbox: Sandbox, time: Time, operator: type[Any], arguments: dict[str, Any]
) -> None:
    message = refused(operator, file="file_gone", **arguments)
    assert "file_gone" in message
    assert "has expired" in message


def test_a_destination_that_cannot_be_written_is_named(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = refused(GrokDownloadOperator, file=store(), destination=f"{tmp_path}/file/hero.png")
    assert f"{tmp_path}/file/hero.png cannot be written" in message
    assert "Check the destination" in message


@pytest.mark.parametrize("destination", ["", "  ", None])
def test_no_destination_is_refused(sandbox: Sandbox, destination: Any) -> None:
    assert "destination=" in refused(GrokDownloadOperator, file="file_1", destination=destination)
    assert sandbox.journal == []


@pytest.mark.parametrize("most", [0, "many", 1001])
def test_an_impossible_concurrency_is_refused(sandbox: Sandbox, most: Any) -> None:
    message = refused(GrokDownloadOperator, file="file_1", destination="/tmp/x/", max_concurrency=most)
    assert f"max_concurrency={most!r}" in message
    assert "from 1 to 1000" in message
    assert sandbox.journal == []
