"""Previews through the API server: who may see which file, and how it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.ui import pages
from airflow_provider_grok.ui.previews import Previews

from . import seeding
from .routes import RUN
from .seeding import file_row, receipt
from .stored import CONN, KEY, PHOTO, downloads
from .stored import sandbox as sandbox
from .stored import store as store


@pytest.fixture(autouse=True)
def previews_allowed(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that allows previews with `grok_default`, and has fetched none yet."""
    monkeypatch.setenv("AIRFLOW__GROK__GALLERY_PREVIEW_CONN_IDS", CONN)
    monkeypatch.setattr(pages, "_previews", Previews())
    seeding.add_dag("shop")
    seeding.add_run("shop", RUN)


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
