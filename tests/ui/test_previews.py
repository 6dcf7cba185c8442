"""Previews: only for named connections, only of files that XComs name and that are ours, and each fetched once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from airflow_provider_grok.api import files
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.ui import pages, previews
from airflow_provider_grok.ui.previews import NoPreview, Policy, Previews
from airflow_provider_grok.ui.receipts import read_one

from . import seeding
from .api_server import ApiServer
from .routes import RUN
from .rows import row
from .seeding import file_row, receipt

PHOTO = Path(__file__).parents[2] / "example_dags" / "photos" / "coffee.png"
KEY = "0123456789abcd"
CONN = "grok_default"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox that connection `grok_default` leads to."""
    with Sandbox(strict=True, image_seconds=0.01, batch_seconds=0.01) as running:
        connection = {"conn_type": "grok", "host": running.url, "password": running.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_GROK_DEFAULT", json.dumps(connection))
        yield running


@pytest.fixture
def store(sandbox: Sandbox, tmp_path: Path) -> Callable[..., str]:
    """Stores bytes under a name, and returns the file's id."""

    def put(name: str, content: bytes | None = None) -> str:
        path = tmp_path / "content"
        path.write_bytes(PHOTO.read_bytes() if content is None else content)
        return GrokHook(CONN).run(files.upload(path, filename=name, content_type="application/octet-stream")).id

    return put


def downloads(sandbox: Sandbox) -> int:
    return sum(entry["path"].endswith("/content") for entry in sandbox.journal)


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


# -- through the API server --------------------------------------------------------------------------------------------


@pytest.fixture
def boss(server: ApiServer, database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """An admin, on an API server that allows previews with `grok_default`."""
    monkeypatch.setenv("AIRFLOW__GROK__GALLERY_PREVIEW_CONN_IDS", CONN)
    monkeypatch.setattr(pages, "_previews", Previews())
    seeding.add_dag("shop")
    seeding.add_run("shop", RUN)
    with server.client(server.token(SimpleAuthManagerUser(username="boss", role="ADMIN", teams=[]))) as client:
        yield client


def preview(client: httpx.Client, file_id: str, task: str = "edit", **headers: str) -> httpx.Response:
    path = f"/grok/previews/dags/shop/files/{file_id}/task/{task}/-1/run/{RUN}"
    return client.get(path, headers=headers)


def test_a_file_without_a_link_is_shown_through_the_api_server(
    boss: httpx.Client, sandbox: Sandbox, store: Callable[..., str]
) -> None:
    file_id, source = store(f"shop.edit.{KEY}.png"), store(f"shop.first.{KEY}.png")
    told = receipt(file_row(file_id, public_url=None), sources=[source])
    seeding.add_task("shop", RUN, "edit", {"receipt": told})
    text = boss.get(f"/grok/gallery/dags/shop/run/{RUN}").text
    assert f"/grok/previews/dags/shop/files/{file_id}/task/edit/-1/run/" in text
    for one in (file_id, source):
        answer = preview(boss, one)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert answer.content == PHOTO.read_bytes()
        assert answer.headers["cache-control"] == "private, max-age=3600"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert sandbox.api_key not in str(answer.headers)
    assert preview(boss, file_id, Range="bytes=0-7").content == PHOTO.read_bytes()[:8]
    assert downloads(sandbox) == 2


def test_a_file_that_no_xcom_of_the_task_names_is_not_shown(
    boss: httpx.Client, sandbox: Sandbox, store: Callable[..., str]
) -> None:
    named, other = store(f"shop.edit.{KEY}.png"), store(f"shop.other.{KEY}.png")
    seeding.add_task("shop", RUN, "edit", {"receipt": receipt(file_row(named, public_url=None))})
    seeding.add_task("shop", RUN, "later", {"receipt": receipt(file_row(other, public_url=None))})
    assert preview(boss, other).status_code == 404
    assert preview(boss, named, task="nothing").status_code == 404
    assert downloads(sandbox) == 0


def test_a_forged_receipt_names_neither_another_connection_nor_a_foreign_file(
    boss: httpx.Client, sandbox: Sandbox, store: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "grok", "host": sandbox.url, "password": sandbox.api_key}
    monkeypatch.setenv("AIRFLOW_CONN_SECRET_TEAM", json.dumps(connection))
    ours, private = store(f"shop.edit.{KEY}.png"), store("private.png")
    seeding.add_task("shop", RUN, "one", {"receipt": receipt(file_row(ours), grok_conn_id="secret_team")})
    seeding.add_task("shop", RUN, "two", {"receipt": receipt(file_row(private))})
    seeding.add_task("shop", RUN, "three", {"receipt": receipt(file_row("../../v1/api-key"))})
    before = len(sandbox.journal)
    assert preview(boss, ours, task="one").status_code == 404
    assert len(sandbox.journal) == before
    assert preview(boss, private, task="two").status_code == 404
    assert preview(boss, "..%2F..%2Fv1%2Fapi-key", task="three").status_code == 404
    assert downloads(sandbox) == 0


def test_without_the_setting_nothing_is_fetched(
    boss: httpx.Client, sandbox: Sandbox, store: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__GROK__GALLERY_PREVIEW_CONN_IDS", "")
    file_id = store(f"shop.edit.{KEY}.png")
    seeding.add_task("shop", RUN, "edit", {"receipt": receipt(file_row(file_id, public_url=None))})
    before = len(sandbox.journal)
    assert "/grok/previews/" not in boss.get(f"/grok/gallery/dags/shop/run/{RUN}").text
    assert preview(boss, file_id).status_code == 404
    assert len(sandbox.journal) == before


def test_a_batch_is_shown_by_its_manifest_where_previews_are_on(
    boss: httpx.Client, sandbox: Sandbox, store: Callable[..., str]
) -> None:
    kept = store(f"shop.batch.{KEY}.row-1.png")
    rows = [
        {"batch_request_id": "row-1", "state": "kept", "files": [{"file_id": kept}], "cost_in_usd_ticks": 700_000_000},
        {"batch_request_id": "row-2", "state": "moderated", "files": [], "reason": "moderated: rules"},
    ]
    manifest = store(f"shop.batch.manifest.{KEY}.jsonl", "".join(json.dumps(one) + "\n" for one in rows).encode())
    told = {"counts": {"requests": 2, "kept": 1}, "request_id": "batch_1", "grok_conn_id": CONN}
    pushed = {"receipt": told, "return_value": [kept], "manifest": manifest}
    seeding.add_task("shop", RUN, "keep", pushed)
    text = boss.get(f"/grok/gallery/dags/shop/run/{RUN}").text
    assert "row-1" in text
    assert "moderated: rules" in text
    assert "0.0700 USD" in text
    assert preview(boss, kept, task="keep").status_code == 200
    assert preview(boss, manifest, task="keep").status_code == 404, "a manifest is read, never served"


def test_a_manifest_that_is_gone_leaves_the_lists(boss: httpx.Client, sandbox: Sandbox) -> None:
    told = {"counts": {"requests": 1, "kept": 1}, "request_id": "batch_1", "grok_conn_id": CONN}
    pushed = {"receipt": told, "return_value": ["file_a"], "manifest": "file_gone"}
    seeding.add_task("shop", RUN, "keep", pushed)
    text = boss.get(f"/grok/gallery/dags/shop/run/{RUN}").text
    assert "the manifest file_gone is not there" in text
    assert 'data-file="file_a"' in text


def test_a_film_comes_in_ranges_as_players_ask_for_it(boss: httpx.Client, store: Callable[..., str]) -> None:
    film = b"\0\0\0\x18ftypmp42" + bytes(5000)
    file_id = store(f"shop.clip.{KEY}.mp4", film)
    seeding.add_task("shop", RUN, "edit", {"receipt": receipt(file_row(file_id, filename="c.mp4", public_url=None))})
    answer = preview(boss, file_id, Range="bytes=1000-1999")
    assert (answer.status_code, answer.headers["content-type"], len(answer.content)) == (206, "video/mp4", 1000)
