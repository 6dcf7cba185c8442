"""Files in buckets: rights on objects are enough, nothing is overwritten, and storage errors come as ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.flows.files.destination import check_destination, exists
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators.files import GrokDownloadOperator, GrokUploadOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, names, picture
from tests.object_storage import Storage

Store = Callable[..., str]
#: What needs no right but those on the object itself.
OF_OBJECTS = {"get_object", "put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload"}


def download(file: Any, destination: Any) -> TaskRun:
    return TaskRun(GrokDownloadOperator, task_id="get", file=file, destination=destination)


def upload(source: Any) -> TaskRun:
    return TaskRun(GrokUploadOperator, task_id="put", source=source)


@pytest.mark.parametrize("destination", ["s3://lake@shop/a/b/hero.png", "s3://shop/a/b/", "s3://lake@shop/a/b"])
def test_a_download_needs_rights_on_the_object_only(
    sandbox: Sandbox, store: Store, storage: Storage, tmp_path: Path, destination: str
) -> None:
    (written,) = download([store()], destination).execute()
    assert written == f"{destination.rstrip('/').removesuffix('/hero.png')}/hero.png"
    assert set(storage.calls) <= OF_OBJECTS
    assert storage.objects() == {"a/b/hero.png": (tmp_path / "source.png").read_bytes()}


def test_an_upload_needs_rights_on_the_object_only(sandbox: Sandbox, storage: Storage, tmp_path: Path) -> None:
    storage.fs.pipe_file("shop/in/hero.png", picture(tmp_path / "hero.png").read_bytes())
    storage.calls.clear()
    upload("s3://lake@shop/in/hero.png").execute()
    assert set(storage.calls) <= OF_OBJECTS
    assert names(sandbox)[0].startswith("hero.")


def test_a_misspelt_bucket_fails_and_is_not_made(sandbox: Sandbox, store: Store, storage: Storage) -> None:
    run = download([store()], "s3://lake@shpo/out/")
    with pytest.raises(AirflowFailException, match=r"s3://lake@shpo/out/hero\.png cannot be written") as caught:
        run.execute()
    assert "Check the destination" in str(caught.value)
    assert [bool(row["reason"]) for row in run.receipt["files"]] == [True]
    assert storage.buckets() == ["shop"]


def test_a_missing_object_is_named_and_a_folder_is_no_source(sandbox: Sandbox, storage: Storage) -> None:
    for source in ("s3://shop/nothing.png", "s3://lake@shop/folder"):
        run = upload(source)
        with pytest.raises(AirflowFailException, match="cannot be read"):
            run.execute()
        assert run.receipt["files"] == []


def test_a_huge_object_is_refused_before_it_is_read(sandbox: Sandbox, storage: Storage, tmp_path: Path) -> None:
    big = tmp_path / "big.png"
    big.touch()
    with big.open("r+b") as file:
        file.truncate(48_000_001)
    storage.fs.put_file(str(big), "shop/big.png")
    with pytest.raises(AirflowFailException, match="has 48000001 bytes; the API takes 1 to 48000000"):
        upload("s3://shop/big.png").execute()


def test_files_of_one_name_from_several_tasks_do_not_overwrite_one_another(
    sandbox: Sandbox, store: Store, storage: Storage
) -> None:
    ids = [store("hero.png", shade=shade) for shade in range(3)]
    folder = "s3://lake@shop/out/"
    written = [download(file_id, folder).execute() for file_id in ids]
    assert written == [f"{folder}hero.png", f"{folder}hero.{ids[1]}.png", f"{folder}hero.{ids[2]}.png"]
    assert len(set(storage.objects().values())) == 3


def test_a_second_try_writes_to_the_same_place(sandbox: Sandbox, store: Store, storage: Storage) -> None:
    first, second = store("hero.png"), store("hero.png", shade=1)
    twice = [[download(file_id, "s3://shop/out/").execute() for file_id in (first, second)] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(storage.objects()) == 2


def test_a_full_url_is_overwritten(sandbox: Sandbox, store: Store, storage: Storage, tmp_path: Path) -> None:
    for shade in range(2):
        assert download(store(shade=shade), "s3://shop/latest.png").execute() == "s3://shop/latest.png"
    assert storage.objects() == {"latest.png": (tmp_path / "source.png").read_bytes()}


def test_object_storage_paths_are_taken_wherever_text_is(
    sandbox: Sandbox, store: Store, storage: Storage, tmp_path: Path
) -> None:
    folder = ObjectStoragePath("s3://lake@shop/folder/")
    (written,) = download([store()], folder).execute()
    assert written == "s3://lake@shop/folder/hero.png"
    assert upload(ObjectStoragePath(written)).execute() == GrokHook().upload(ObjectStoragePath(written))
    assert GrokHook().download(store(shade=1), folder / "other.png") == "s3://lake@shop/folder/other.png"
    assert upload([ObjectStoragePath(written)]).execute() == [upload(written).execute()]


@pytest.mark.parametrize("key", ["a#b.png", "what?.png", "a;b.png", 'say "hi".png', "写真.png", "a%20b.png", "a b.png"])
def test_any_letter_may_stand_in_the_name_of_an_object(
    sandbox: Sandbox, storage: Storage, tmp_path: Path, key: str
) -> None:
    storage.fs.pipe_file(f"shop/{key}", picture(tmp_path / "hero.png").read_bytes())
    assert upload(f"s3://shop/{key}").execute()
    (stored,) = names(sandbox)
    kept = key.replace(";", "_").replace('"', "_").removesuffix(".png")
    assert stored.startswith(f"{kept}.")


def test_no_trial_object_is_left_behind(storage: Storage) -> None:
    check_destination("s3://lake@shop/out", GrokHook.open_storage)
    assert storage.calls == []
    assert storage.objects() == {}


def test_an_error_of_the_storage_is_worth_a_retry_and_told_in_the_receipt(
    sandbox: Sandbox, store: Store, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Throttled(Exception):
        """An error of the storage's own kind."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise Throttled("slow down")

    monkeypatch.setattr(storage.fs, "_call_s3", fail)
    run = download(store(), "s3://shop/out/hero.png")
    with pytest.raises(AirflowException, match=r"could not be written \(Throttled\): slow down") as caught:
        run.execute()
    assert not isinstance(caught.value, AirflowFailException)
    assert "slow down" in run.receipt["files"][0]["reason"]
    run = upload("s3://shop/hero.png")
    with pytest.raises(AirflowException, match="could not be read") as caught:
        run.execute()
    assert not isinstance(caught.value, AirflowFailException)
    assert run.receipt["files"] == []


def test_what_is_in_a_bucket_is_seen(storage: Storage) -> None:
    storage.fs.pipe_file("shop/there.png", b"x")
    assert exists("s3://lake@shop/there.png", GrokHook.open_storage)
    assert not exists("s3://lake@shop/nothing.png", GrokHook.open_storage)


def test_a_large_file_is_sent_in_parts(sandbox: Sandbox, storage: Storage, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(11 * 2**20))
    GrokHook.open_storage("s3://shop/big.bin").put_file(big)
    assert set(storage.calls) <= OF_OBJECTS
    assert storage.calls.count("upload_part") == 3
