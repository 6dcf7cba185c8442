"""The sandbox among other people and hostile clients: what it binds to, writes, serves and shows to whom."""

from __future__ import annotations

import gzip
import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from airflow_provider_grok.sandbox import body_limits, film
from airflow_provider_grok.sandbox.__main__ import arguments
from airflow_provider_grok.sandbox.body_limits import LARGEST_BODY
from airflow_provider_grok.sandbox.host_guard import foreign_control
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


def test_the_api_on_loopback_answers_to_names_of_this_machine_only(
    client: httpx.Client, passer_by: httpx.Client, root: str
) -> None:
    for host, status in (("evil.example", 403), ("localhost:1", 200), ("127.0.0.1.evil.example", 403)):
        assert client.get("/me", headers={"host": host}).status_code == status
    refused = passer_by.get(f"{root}/files-cdn/x/y", headers={"host": "evil.example"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission-denied")


@pytest.mark.parametrize("address", ["10.1.2.3", "::2", "", None])
def test_control_is_for_clients_on_this_machine_whatever_they_call_it(address: str | None) -> None:
    scope: Any = {"type": "http", "headers": [(b"host", b"localhost")], "client": address and (address, 4)}
    assert "this machine only" in str(foreign_control(scope))
    assert foreign_control({**scope, "client": ("::1", 4)}) is foreign_control({**scope, "client": ("127.0.0.1", 4)})


def test_who_passes_a_request_on_does_not_count(passer_by: httpx.Client, root: str) -> None:
    answer = passer_by.get(f"{root}/_sandbox/health", headers={"x-forwarded-for": "10.1.2.3"})
    assert answer.status_code == 200, "uvicorn would take that for the client"


def test_everything_is_served_as_what_it_is_and_runs_nothing(
    client: httpx.Client, passer_by: httpx.Client, root: str, upload: Callable[..., str]
) -> None:
    page = upload("a.html", b"<script>", "text/html")
    picture = upload()
    link = client.post(f"/files/{picture}/public-url").json()["public_url"]
    answers = [client.get(path) for path in ("/me", "/nowhere", f"/files/{page}/content")]
    answers += [passer_by.get(url) for url in (root, link, f"{root}/imgen/x", f"{root}/_sandbox/journal")]
    answers.append(passer_by.get(root, headers={"host": "evil.example"}))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def chunks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(1 << 20)


def test_a_body_is_limited_before_the_key_is_looked_at(passer_by: httpx.Client, sandbox: Sandbox) -> None:
    headers = {"content-type": "application/json"}
    for key, size, status in (("wrong", 3, 400), ("wrong", 65, 400), (sandbox.api_key, 65, 413)):
        headers["authorization"] = f"Bearer {key}"
        try:
            refused = passer_by.post(f"{sandbox.url}/images/generations", headers=headers, content=chunks(size))
        except httpx.WriteError:  # it hung up, as it may
            continue
        assert refused.status_code == status
        assert sandbox.journal[-1]["request_bytes"] <= LARGEST_BODY + (1 << 20)


def test_an_order_to_the_control_interface_is_limited_too(passer_by: httpx.Client, root: str) -> None:
    assert passer_by.post(f"{root}/_sandbox/clock", content=chunks(2)).status_code == 413


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/files", "/_sandbox/clock"])
@pytest.mark.parametrize("key", ["wrong", "xai-sandbox"])
def test_a_body_that_comes_byte_by_byte_is_cut_in_all(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, path: str, key: str
) -> None:
    monkeypatch.setattr(body_limits, "BODY_SECONDS", 0.3)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Length: 1000\r\n"
        "Content-Type: application/json\r\n\r\n"
    )
    with socket.create_connection(sandbox._socket.getsockname()) as slow:
        slow.settimeout(0.05)
        slow.sendall(head.encode())
        answer = b""
        for _ in range(100):
            with suppress(TimeoutError):
                answer += slow.recv(1000)
                break
            slow.sendall(b" ")
    # Without the key it hears of the key, but no later.
    assert answer.startswith(b"HTTP/1.1 400" if key == "wrong" and "/v1/" in path else b"HTTP/1.1 408")


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, gzip", "x"])
def test_an_encoding_that_was_not_asked_for_is_refused(client: httpx.Client, sandbox: Sandbox, encoding: str) -> None:
    body = gzip.compress(b'{"prompt": "x", "model": "grok-imagine-image"}')
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    for path in ("/images/generations", "/files", "/batches"):
        refused = client.post(path, content=body, headers=headers)
        assert (refused.status_code, "Content-Encoding" in refused.json()["error"]) == (415, True)
    assert sandbox.ledger.charges == []


def test_there_are_no_web_sockets(sandbox: Sandbox) -> None:
    upgrade = (
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(sandbox._socket.getsockname(), timeout=5) as plain:
        plain.sendall(upgrade.encode())
        assert plain.recv(100).startswith(b"HTTP/1.1 200")
    assert sandbox._server.config.ws_protocol_class is None


def in_container(kind: str) -> bytes:
    """A clip in a container of another kind."""
    target = io.BytesIO()
    with av.open(target, "w", format=kind) as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 64
        for number in range(16):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def test_only_an_mp4_is_opened_as_a_video(client: httpx.Client, upload: Callable[..., str], tmp_path: Path) -> None:
    local = tmp_path / "local.mp4"
    local.write_bytes(film.make(seconds=2, size=(64, 64), prompt="a secret", seed=1))
    lists = {
        "ffconcat": f"ffconcat version 1.0\nfile {local}\n".encode(),
        "playlist": f"#EXTM3U\n#EXTINF:2,\n{local}\n".encode(),
        "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "matroska": in_container("matroska"),
        "no box": in_container("avi"),
    }
    for name, data in lists.items():
        body = {"prompt": "x", "video": {"file_id": upload("a.mp4", data, "video/mp4")}}
        refused = client.post("/videos/edits", json=body)
        assert (refused.status_code, "readable MP4" in refused.text) == (400, True), name


def test_a_prompt_may_hold_as_many_brackets_as_it_likes(client: httpx.Client) -> None:
    for prompt in ("[" * 201, "{[" * 500, 'a "quoted \\" [' * 300):
        made = client.post("/images/generations", json={"prompt": prompt, "model": "grok-imagine-image"})
        assert made.status_code == 200, made.text


def test_two_processes_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with Sandbox(data=tmp_path), pytest.raises(OSError, match=r"in use by another sandbox \(process \d+\).*--data"):
        Sandbox(data=tmp_path).start()
    with Sandbox(data=tmp_path):
        pass


def test_what_killed_uploads_left_is_swept_at_the_start(tmp_path: Path, connect: Callable[..., httpx.Client]) -> None:
    with Sandbox(data=tmp_path) as own:
        connect(own).post("/files", files={"file": ("a.txt", b"kept", "text/plain")}).raise_for_status()
    (tmp_path / "uploads" / "half").write_bytes(bytes(1000))
    (tmp_path / "blobs" / "abc.123.part").write_bytes(bytes(1000))
    with Sandbox(data=tmp_path):
        assert list((tmp_path / "uploads").iterdir()) == []
        assert [blob.read_bytes() for blob in (tmp_path / "blobs").iterdir()] == [b"kept"]
