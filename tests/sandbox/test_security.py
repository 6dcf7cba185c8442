"""The sandbox among other people and hostile clients: what it binds to, writes, serves and shows to whom."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from airflow_provider_grok.sandbox.__main__ import arguments
from airflow_provider_grok.sandbox.server import Sandbox

HOSTILE = [
    "../../../outside.png",
    "..",
    "/etc/outside.png",
    "a/../../../outside.png",
    "%2e%2e%2f%2e%2e%2foutside.png",
    "~/outside.png",
    "C:/outside.png",
    "\u202egnp.outside",
    ".outside.png",
    "outside.png/",
    "x" * 255,
]
CONTROL = [
    ("GET", "/"),
    ("GET", "/_sandbox/health"),
    ("POST", "/_sandbox/reset"),
    ("GET", "/_sandbox/clock"),
    ("POST", "/_sandbox/clock"),
    ("GET", "/_sandbox/faults"),
    ("POST", "/_sandbox/faults"),
    ("DELETE", "/_sandbox/faults"),
    ("GET", "/_sandbox/journal"),
    ("GET", "/_sandbox/ledger"),
    ("GET", "/_sandbox/gallery.zip"),
    ("GET", "/_sandbox/media/file_1"),
]


def everything_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_it_listens_on_loopback_alone_unless_told_otherwise(sandbox: Sandbox) -> None:
    assert sandbox._socket.getsockname()[0] == "127.0.0.1"
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert arguments().parse_args([]).host == "127.0.0.1"


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"host": "127.0.0.1.evil.example"}, {"origin": "http://x"}]
)
@pytest.mark.parametrize(("method", "path"), CONTROL)
def test_no_control_path_answers_to_a_foreign_name_or_page(
    passer_by: httpx.Client, root: str, method: str, path: str, headers: dict[str, str]
) -> None:
    refused = passer_by.request(method, f"{root}{path}", headers=headers, content=b"{}")
    assert refused.status_code == 403
    assert "evil.example\n" not in refused.text


def test_the_api_answers_nobody_without_the_key(passer_by: httpx.Client, sandbox: Sandbox) -> None:
    for method, path in (("GET", "/files"), ("POST", "/files"), ("GET", "/me"), ("POST", "/images/generations")):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {sandbox.api_key}"}):
            assert passer_by.request(method, f"{sandbox.url}{path}", headers=headers).status_code == 400


def test_hostile_names_of_files_are_kept_as_names_and_written_nowhere(
    tmp_path: Path, connect: Callable[[Sandbox], httpx.Client], png: bytes
) -> None:
    data = tmp_path / "a" / "b" / "data"
    with Sandbox(data=data) as own:
        client = connect(own)
        for name in HOSTILE:
            stored = client.post("/files", files={"file": (name, png, "image/png")})
            assert (stored.status_code, stored.json()["filename"]) == (200, name)
            made = client.post(
                "/images/generations",
                json={"prompt": "x", "model": "grok-imagine-image", "storage_options": {"filename": name}},
            )
            assert made.json()["data"][0]["file_output"]["filename"] == name
            shared = client.post(f"/files/{stored.json()['id']}/public-url")
            assert ".." not in shared.text
        names = zipfile.ZipFile(io.BytesIO(client.get(f"{own.url[:-3]}/_sandbox/gallery.zip").content)).namelist()
        assert not [name for name in names if name.startswith("/") or ".." in name]
        blobs = {path.name for path in (data / "blobs").iterdir()}
        assert all(len(name) == 64 and set(name) <= set("0123456789abcdef") for name in blobs)
    assert {path.split("/")[0] for path in everything_in(tmp_path)} == {"a"}
    assert everything_in(tmp_path / "a") - {f"b/data/{path}" for path in everything_in(data)} == {"b", "b/data"}


@pytest.mark.parametrize("name", ["a\x00b.png", "a\nb.png", "x" * 10_000, "\x1b[2J.png", 'a"b.png', "a;b.png", ""])
def test_names_that_the_api_refuses_are_refused(client: httpx.Client, name: str) -> None:
    options = {"prompt": "x", "model": "grok-imagine-image", "storage_options": {"filename": name}}
    refused = client.post("/images/generations", json=options)
    assert refused.status_code == 400
    assert "filename" in refused.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/..%2f..%2fsandbox.db/content",
        "/v1/files/%2e%2e/content",
        "/v1/files/sandbox.db/content",
        "/imgen/..%2f..%2fsandbox.db",
        "/vidgen/%2e%2e/%2e%2e/etc/passwd",
        "/_sandbox/media/..%2f..%2fsandbox.db",
        "/_sandbox/media/%2e%2e",
        "/_sandbox/%2e%2e/sandbox.db",
    ],
)
def test_no_path_leads_out_of_what_is_stored(client: httpx.Client, root: str, path: str) -> None:
    answer = client.get(httpx.URL(root).copy_with(raw_path=path.encode()))
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content


def test_a_picture_source_is_no_way_to_a_file_of_the_machine(client: httpx.Client) -> None:
    for link in (
        "file:///etc/passwd",
        "/etc/passwd",
        "ftp://127.0.0.1/",
        "data:text/plain,hello",
        "http://127.0.0.1:1/",
    ):
        body = {"prompt": "x", "model": "grok-imagine-image", "image": {"url": link}}
        refused = client.post("/images/edits", json=body)
        assert refused.status_code == 400
        assert "root:" not in refused.text


def test_only_the_owner_may_look_into_the_data(tmp_path: Path, connect: Callable[[Sandbox], httpx.Client]) -> None:
    data = tmp_path / "data"
    with Sandbox(data=data) as own:
        connect(own).get("/me")
        assert data.stat().st_mode & 0o777 == 0o700
        for name in ("blobs", "uploads"):
            assert (data / name).stat().st_mode & 0o077 == 0
        for file in data.glob("sandbox.db*"):
            assert file.stat().st_mode & 0o077 == 0, file


def test_neither_journal_nor_database_holds_the_key(tmp_path: Path, connect: Callable[[Sandbox], httpx.Client]) -> None:
    with Sandbox(data=tmp_path / "data", api_key="xai-very-secret") as own:
        connect(own).get("/me")
        assert "xai-very-secret" not in json.dumps(own.journal)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"xai-very-secret" in file.read_bytes()]
