"""Putting files on a disk: whole, beside what is there, and not through anybody's symlink."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import errors
from airflow_provider_grok.flows.files.destination import (
    check_destination,
    destination_text,
    exists,
    is_folder,
    put,
    put_new,
    with_id,
)
from airflow_provider_grok.flows.files.storage import StoragePath


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "copy"
    path.write_bytes(b"new")
    return path


def test_a_file_replaces_a_symlink_and_not_what_it_leads_to(copy: Path, tmp_path: Path) -> None:
    secret = tmp_path / "authorized_keys"
    secret.write_text("mine")
    target = tmp_path / "hero.png"
    target.symlink_to(secret)
    put(copy, str(target))
    assert not target.is_symlink()
    assert (secret.read_text(), target.read_bytes()) == ("mine", b"new")


def test_a_new_file_does_not_go_through_a_symlink_either(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "hero.png").symlink_to(tmp_path / "authorized_keys")
    assert put_new(copy, f"{folder}/", "hero.png", "file_1") == f"{folder}/hero.file_1.png"
    assert not (tmp_path / "authorized_keys").exists()


def test_a_file_that_cannot_be_copied_whole_leaves_the_old_one(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "hero.png"
    target.parent.mkdir()
    target.write_bytes(b"old")

    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(errors.GrokError, match="No space left") as caught:
        put(copy, str(target))
    assert not caught.value.permanent
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"old"]


def test_a_file_has_the_rights_that_any_new_file_has(copy: Path, tmp_path: Path) -> None:
    copy.chmod(0o600)
    (tmp_path / "any").touch()
    put(copy, str(tmp_path / "out" / "hero.png"))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("any", "out/hero.png")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("links", [True, False])
def test_another_file_of_the_name_stays_and_the_same_content_is_not_put_twice(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def no_links(*args: Any, **kwargs: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
    folder = f"{tmp_path}/out/"
    assert put_new(copy, folder, "hero.png", "file_1") == f"{folder}hero.png"
    copy.write_bytes(b"new")
    assert put_new(copy, folder, "hero.png", "file_2") == f"{folder}hero.png"
    for _ in range(2):
        copy.write_bytes(b"other")
        assert put_new(copy, folder, "hero.png", "file_3") == f"{folder}hero.file_3.png"
    found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert found == {"hero.png": b"new", "hero.file_3.png": b"other"}


@pytest.mark.parametrize(
    ("target", "folder"),
    [
        ("{here}", True),
        ("{here}/new/", True),
        ("{here}/new", False),
        ("file://{here}", True),
        ("file://{here}/new", False),
        ("s3://bucket", True),
        ("s3://conn@bucket/out", True),
        ("s3://bucket/out/hero.png", False),
    ],
)
def test_a_folder_is_a_folder_with_and_without_a_slash(tmp_path: Path, target: str, folder: bool) -> None:
    assert is_folder(target.format(here=tmp_path)) is folder


def test_an_existing_folder_is_never_replaced_by_a_file(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "hero.png").mkdir(parents=True)
    with pytest.raises(errors.InvalidRequest, match="it is a folder"):
        put(copy, str(tmp_path / "out" / "hero.png"))


@pytest.mark.parametrize(
    ("name", "other"),
    [("hero.png", "hero.file_1.png"), ("hero", "hero.file_1"), (".x", ".x.file_1"), ("a.b.jpeg", "a.b.file_1.jpeg")],
)
def test_an_id_stands_before_the_ending(name: str, other: str) -> None:
    assert with_id(name, "file_1") == other


def test_a_path_is_taken_as_it_is_meant() -> None:
    assert destination_text("out/") == "out/"
    assert destination_text(Path("out/")) == "out"
    assert destination_text(Path("out/"), several=True) == "out/"
    for nothing in (None, "", " ", "None", 5, ["out"], b"out"):
        with pytest.raises(errors.InvalidRequest, match="destination="):
            destination_text(nothing)


def test_a_home_that_does_not_exist_is_told_in_words(copy: Path) -> None:
    with pytest.raises(errors.InvalidRequest, match="~nobody-at-all/x' is no path"):
        put(copy, "~nobody-at-all/x")


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_fetched(tmp_path: Path) -> None:
    check_destination(f"{tmp_path}/out")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(errors.InvalidRequest, match="cannot be written"):
        check_destination(f"{tmp_path}/file/out")


def test_what_is_at_a_path_is_seen(copy: Path, tmp_path: Path) -> None:
    assert exists(str(copy))
    assert exists(f"file://{copy}")
    assert not exists(f"{tmp_path}/nothing")


def test_a_storage_that_cannot_create_without_overwriting_gets_names_with_ids(copy: Path) -> None:
    put_files: list[str] = []

    class Plain:
        def __init__(self, url: str) -> None:
            self.url = url

        def get_file(self, into: Path, limit: int) -> None:
            raise AssertionError("nothing is read")

        def exists(self) -> bool:
            raise AssertionError("nothing is looked for")

        def put_file(self, copy: Path, *, new: bool = False) -> None:
            if new:
                raise NotImplementedError
            put_files.append(self.url)

    def opener(url: str) -> StoragePath:
        return Plain(url)

    assert put_new(copy, "attic://box", "hero.png", "file_1", opener) == "attic://box/hero.file_1.png"
    assert put_files == ["attic://box/hero.file_1.png"]
