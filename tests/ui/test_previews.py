"""Previews: only for named connections, only of files that XComs name and that are ours, and each fetched once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import files
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.ui import previews
from airflow_provider_grok.ui.previews import NoPreview, Policy, Previews
from airflow_provider_grok.ui.receipts import read_one

from .rows import row
from .seeding import file_row, receipt
from .stored import CONN, KEY, PHOTO, downloads
from .stored import sandbox as sandbox
from .stored import store as store


def test_a_file_that_bears_our_key_is_fetched_once(sandbox: Sandbox, store: Callable[..., str]) -> None:
    file_id = store(f"shop.edit.{KEY}.png")
    kept = Previews()
    found = [kept.get(CONN, file_id) for _ in range(3)]
    assert found[0].path.read_bytes() == PHOTO.read_bytes()
    assert {one.content_type for one in found} == {"image/png"}
    assert downloads(sandbox) == 1


def test_many_that_ask_at_once_make_one_download(sandbox: Sandbox, store: Callable[..., str]) -> None:
    file_id = store(f"shop.edit.{KEY}.png")
    kept = Previews()
    threads = [threading.Thread(target=kept.get, args=(CONN, file_id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert downloads(sandbox) == 1


@pytest.mark.parametrize("name", ["private.png", f"{KEY}.png", f"private.{KEY}0.png", "private.0123456789abc.png"])
def test_a_file_whose_name_bears_no_key_is_not_even_fetched(
    sandbox: Sandbox, store: Callable[..., str], name: str
) -> None:
    file_id = store(name)
    with pytest.raises(NoPreview, match="bears no key"):
        Previews().get(CONN, file_id)
    assert downloads(sandbox) == 0


def test_an_upload_is_shown_only_if_its_content_has_the_digest_in_its_name(store: Callable[..., str]) -> None:
    import hashlib

    digest = hashlib.sha256(PHOTO.read_bytes()).hexdigest()[:12]
    assert Previews().get(CONN, store(f"coffee.{digest}.png")).content_type == "image/png"
    with pytest.raises(NoPreview, match="bears no key"):
        Previews().get(CONN, store("coffee.0123456789ab.png"))


@pytest.mark.parametrize(
    "content",
    [b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"GIF89a;"],
)
def test_only_pictures_and_mp4_are_shown_whatever_the_name_says(store: Callable[..., str], content: bytes) -> None:
    kept = Previews()
    with pytest.raises(NoPreview, match="neither a picture nor an MP4"):
        kept.get(CONN, store(f"shop.edit.{KEY}.png", content))
    assert not list((kept._folder or Path("nowhere")).iterdir())


def test_a_file_that_is_gone_says_so_and_is_not_asked_for_again_at_once(sandbox: Sandbox) -> None:
    kept = Previews()
    for _ in range(3):
        with pytest.raises(NoPreview, match="no such file"):
            kept.get(CONN, "file_gone")
    assert len(sandbox.journal) == 1


def test_a_deleted_file_is_forgotten_when_it_is_asked_for_again(
    store: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Previews()
    file_id = store(f"shop.edit.{KEY}.png")
    path = kept.get(CONN, file_id).path
    monkeypatch.setattr(previews, "FRESH", -1.0)
    assert kept.get(CONN, file_id).path == path
    GrokHook(CONN).run(files.delete(file_id))
    with pytest.raises(NoPreview, match="no such file"):
        kept.get(CONN, file_id)
    assert not path.exists()


def test_a_file_that_is_too_large_is_not_fetched(
    sandbox: Sandbox, store: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "FILE_LIMIT", 1000)
    with pytest.raises(NoPreview, match="more than a preview shows"):
        Previews().get(CONN, store(f"shop.edit.{KEY}.png"))
    assert downloads(sandbox) == 0


def test_the_folder_keeps_to_its_size(store: Callable[..., str]) -> None:
    size = PHOTO.stat().st_size
    kept = Previews(folder_limit=size * 2 + 10)
    ids = [store(f"shop.edit{number}.{KEY}.png") for number in range(4)]
    found = [kept.get(CONN, file_id) for file_id in ids]
    assert [one.path.exists() for one in found] == [False, False, True, True]


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": "before"}, {"status": 401}])
def test_a_failing_api_is_told_in_general_words(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    sandbox.faults.add({"method": "GET", "path": "/v1/files/*", "times": None, "action": fault})
    with pytest.raises(NoPreview, match="log says why") as caught:
        Previews().get(CONN, "file_1")
    assert sandbox.api_key not in str(caught.value)


def test_a_connection_that_is_not_there_is_no_server_error() -> None:
    with pytest.raises(NoPreview, match="log says why"):
        Previews().get("nowhere", "file_1")


@pytest.mark.parametrize(
    ("listed", "named", "taken"),
    [
        ((), "grok_default", None),
        (("grok_default",), "grok_default", "grok_default"),
        (("grok_default",), "secret_team", None),
        (("grok_default",), "", "grok_default"),
        (("grok_default", "other"), "", None),
        (("grok_default", "other"), "other", "other"),
    ],
)
def test_a_receipt_s_connection_counts_only_where_the_settings_name_it(
    listed: tuple[str, ...], named: str, taken: str | None
) -> None:
    assert Policy(listed).connection(read_one(row(receipt(file_row(), grok_conn_id=named)))) == taken
