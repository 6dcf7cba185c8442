"""Uploads: one file for one content, whatever the server makes of its name, and whoever stores it at the same time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import errors, files, wire
from airflow_provider_grok.flows.files.upload import Uploaded, is_shared_upload, is_upload_of, upload_once
from airflow_provider_grok.flows.purchases.store import TaskIdentity
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, asked, names, picture

POST = {"method": "POST", "path": "/v1/files"}


def upload(source: Any, **options: Any) -> Uploaded:
    work = upload_once(GrokHook().endpoint, source, TaskIdentity.nobody(), **options)
    return wire.run(GrokHook().endpoint, work)


@pytest.fixture
def hero(tmp_path: Path) -> str:
    return str(picture(tmp_path / "Hero Käse.v2.png"))


@pytest.mark.parametrize(
    "altered",
    [
        str.lower,
        lambda name: name.replace(".", "_"),
        lambda name: name.replace(".", "-").replace("-png", ".png"),
        lambda name: name.replace(".png", " (1).png"),
        lambda name: name.replace("ä", "a\u0308"),
        lambda name: name.replace(" ", ""),
        lambda name: f" {name} ",
    ],
)
def test_an_upload_is_found_whatever_the_server_made_of_its_name(
    sandbox: Sandbox, hero: str, altered: Callable[[str], str]
) -> None:
    first = upload(hero)
    sandbox.backend.store.change("UPDATE files SET filename = ?", altered(first.file.filename))
    again = upload(hero)
    assert (again.file.id, again.reused) == (first.file.id, True)
    assert is_shared_upload(again.file)


def test_the_same_content_under_another_name_is_another_file(sandbox: Sandbox, hero: str) -> None:
    assert upload(hero).file.id != upload(hero, filename="cover.png").file.id
    assert upload(hero, filename="cover.png").reused


def test_a_server_that_refuses_the_filter_is_asked_for_all_files(sandbox: Sandbox, hero: str) -> None:
    first = upload(hero)
    action = {"status": 400, "body": {"code": "invalid-argument", "error": "filter: unknown field name"}}
    sandbox.faults.add({"method": "GET", "path": "/v1/files", "action": action})
    assert upload(hero).file.id == first.file.id


def test_of_several_that_were_stored_at_once_the_oldest_is_everybodys(sandbox: Sandbox, hero: str) -> None:
    found: list[str] = []
    gate = threading.Barrier(4)
    sandbox.faults.add({**POST, "times": 4, "action": {"delay": 0.2}})

    def task() -> None:
        gate.wait()
        found.append(upload(hero).file.id)

    threads = [threading.Thread(target=task) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked(sandbox, "POST", "/v1/files")) > 1
    assert set(found) == {upload(hero).file.id}


@pytest.mark.parametrize(
    "action",
    [
        {"drop": "after"},
        {"status": 503},
        {"status": 200, "body": {}},
    ],
)
def test_an_upload_whose_outcome_is_unknown_is_looked_for_and_then_sent_again(
    sandbox: Sandbox, time: Time, hero: str, action: dict[str, Any]
) -> None:
    sandbox.faults.add({**POST, "action": action})
    assert upload(hero).file.id
    assert len(names(sandbox)) == 1
    assert len(asked(sandbox, "POST", "/v1/files")) == (1 if "drop" in action else 2)


def test_an_upload_that_appears_late_is_waited_for(sandbox: Sandbox, time: Time, hero: str) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "after"}})
    empty = {"status": 200, "body": {"data": []}}
    sandbox.faults.add({"method": "GET", "path": "/v1/files", "skip": 2, "times": 2, "action": empty})
    assert upload(hero).reused is False
    assert len(asked(sandbox, "POST", "/v1/files")) == 1
    assert 5.0 in time.slept


def test_a_refused_upload_is_not_sent_again(sandbox: Sandbox, hero: str) -> None:
    sandbox.faults.add({**POST, "action": {"status": 413, "body": {"error": "too large"}}})
    with pytest.raises(errors.ApiError, match="413"):
        upload(hero)
    assert len(asked(sandbox, "POST", "/v1/files")) == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"\x89PNG", ["source is 4 bytes", "Write them to a file"]),
        (None, ["source=None is nothing", "template"]),
        (5, ["source=5 is a int"]),
        ("data:image/png;base64,AA", ["data URL"]),
    ],
)
def test_what_is_no_source_is_told_by_what_it_is(sandbox: Sandbox, source: Any, words: list[str]) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        upload(source)
    assert [word for word in words if word not in str(caught.value)] == []
    assert sandbox.journal == []


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_is_no_source_and_its_files_are(sandbox: Sandbox, tmp_path: Path, scheme: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"is a folder\. Give its files one by one"):
        upload(f"{scheme}{tmp_path}")
    assert sandbox.journal == []


def test_a_path_is_a_source_too(sandbox: Sandbox, hero: str) -> None:
    assert upload(Path(hero)).file.id == upload(hero).file.id


@pytest.mark.parametrize("name", ["a;b.png", 'say "hi".png', "what?.png", "a#b.png", "tab\t.png"])
def test_any_letter_may_stand_in_the_name_of_a_source(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    picture(tmp_path / "plain.png").rename(tmp_path / name)
    assert upload(str(tmp_path / name)).file.id == upload(f"file://{tmp_path / name}").file.id


def test_no_query_of_a_source_is_logged(sandbox: Sandbox, hero: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    url = GrokHook().share(upload(hero).file.id)
    upload(f"{url}?X-Amz-Signature=hush", log=logging.getLogger("t"))
    assert "Stored http" in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("filename", "is_one"),
    [
        ("hero.0123456789ab.png", True),
        ("HERO.0123456789AB.PNG", True),
        ("hero_0123456789ab (2).png", True),
        ("hero.png", False),
        ("other.0123456789ab.png", False),
        ("hero.0123456789abcd.png", False),
        ("hero.0123456789ab.jpg", False),
    ],
)
def test_the_upload_of_a_file_is_known_by_its_name(filename: str, is_one: bool) -> None:
    assert is_upload_of(files.File(id="file_1", filename=filename), "hero.png") is is_one
