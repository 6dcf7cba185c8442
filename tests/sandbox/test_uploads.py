"""Uploads: read in the order in which the parts arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

BOUNDARY = "frontier"


def part(disposition: str, content: bytes, kind: str = "") -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return head.encode() + b"\r\n" + content + b"\r\n"


FILE = part('name="file"; filename="a.txt"', b"hello", "text/plain")


def send(client: httpx.Client, *parts: bytes, chunked: bool = False) -> httpx.Response:
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return client.post("/files", content=pieces() if chunked else body, headers=headers)


def test_a_file_comes_back_as_it_was_sent(client: httpx.Client, png: bytes) -> None:
    made = client.post("/files", files={"file": ("hero.png", png, "image/png")}, data={"purpose": "assistants"}).json()
    assert made["id"].startswith("file_")
    assert (made["object"], made["bytes"], made["filename"], made["purpose"]) == (
        *("file", len(png), "hero.png", "assistants"),
    )
    assert "expires_at" not in made
    content = client.get(f"/files/{made['id']}/content")
    assert (content.content, content.headers["content-type"]) == (png, "image/png")


def test_chunks_may_be_cut_anywhere(client: httpx.Client) -> None:
    made = send(client, part('name="expires_after"', b"7200"), FILE, chunked=True).json()
    assert (made["bytes"], made["expires_at"]) == (5, made["created_at"] + 7200)


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
def test_the_bounds_of_a_life_are_allowed(client: httpx.Client, seconds: int) -> None:
    made = send(client, part('name="expires_after"', str(seconds).encode()), FILE).json()
    assert made["expires_at"] == made["created_at"] + seconds


@pytest.mark.parametrize("seconds", ["0", "3599", "2592001", "-3600", "1h", "", "3600.0"])
def test_a_life_out_of_bounds_is_refused_and_nothing_is_stored(client: httpx.Client, seconds: str) -> None:
    refused = send(client, part('name="expires_after"', seconds.encode()), FILE)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-argument")
    assert client.get("/files").json()["data"] == []


def test_the_other_spelling_of_a_life_is_understood(client: httpx.Client) -> None:
    anchor = part('name="expires_after[anchor]"', b"created_at")
    made = send(client, anchor, part('name="expires_after[seconds]"', b"3600"), FILE).json()
    assert made["expires_at"] == made["created_at"] + 3600
    assert send(client, anchor, FILE).status_code == 400
    assert send(client, part('name="expires_after[anchor]"', b"now"), FILE).status_code == 400


@pytest.mark.parametrize("name", ["expires_after", "expires_after[seconds]", "expires_after[anchor]"])
def test_a_life_after_the_file_is_refused(client: httpx.Client, name: str) -> None:
    refused = send(client, FILE, part(f'name="{name}"', b"7200"))
    assert refused.status_code == 400
    assert "must come before the file" in refused.json()["error"]
    assert client.get("/files").json()["data"] == []


def test_a_purpose_after_the_file_is_kept(client: httpx.Client) -> None:
    assert send(client, FILE, part('name="purpose"', b"assistants")).json()["purpose"] == "assistants"


@pytest.mark.parametrize(
    "disposition", ['name="file"', 'name="file"; filename=""', 'name="document"; filename="a.txt"']
)
def test_no_named_file_part_is_refused(client: httpx.Client, disposition: str) -> None:
    assert send(client, part(disposition, b"hello")).status_code == 400


@pytest.mark.parametrize(
    "name", ["a;b.png", 'a\\"b.png', "a\\\\b.png", "a\tb.png", "a\x7fb.png", "a\x85b.png", "a\u2028b.png", "x" * 256]
)
def test_a_bad_filename_is_refused(client: httpx.Client, name: str) -> None:
    refused = send(client, part(f'name="file"; filename="{name}"', b"hello", "text/plain"))
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-argument")


@pytest.mark.parametrize("name", ["blob", "größe 1.png", "x" * 255, "猫.png", "a/b.png"])
def test_a_good_filename_is_kept(client: httpx.Client, name: str) -> None:
    assert send(client, part(f'name="file"; filename="{name}"', b"hello")).json()["filename"] == name


def test_an_extended_filename_is_understood(client: httpx.Client) -> None:
    made = send(client, part("name=\"file\"; filename*=utf-8''%E7%8C%AB.png", b"hello")).json()
    assert made["filename"] == "猫.png"


def test_a_type_that_is_not_stated_follows_from_the_name(client: httpx.Client) -> None:
    file_id = send(client, part('name="file"; filename="a.png"', b"hello")).json()["id"]
    assert client.get(f"/files/{file_id}/content").headers["content-type"] == "image/png"


def test_more_than_fifty_megabytes_are_refused(client: httpx.Client) -> None:
    megabyte = b"x" * 2**20

    def body() -> Iterator[bytes]:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
        for _ in range(50):
            yield megabyte
        yield f"x\r\n--{BOUNDARY}--\r\n".encode()

    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    refused = client.post("/files", content=body(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "payload-too-large")


def test_another_kind_of_body_is_refused(client: httpx.Client) -> None:
    assert client.post("/files", json={"file": "x"}).status_code == 415
    assert client.post("/files", content=b"x", headers={"content-type": "multipart/form-data"}).status_code == 400


def test_unknown_parts_are_noted(sandbox: Sandbox, client: httpx.Client) -> None:
    assert send(client, part('name="expires_at"', b"1"), FILE).status_code == 200
    assert sandbox.journal[-1]["unknown"] == ["expires_at"]


def test_the_same_content_twice_is_two_files(client: httpx.Client, upload: Callable[..., str], png: bytes) -> None:
    first, second = upload(), upload()
    client.delete(f"/files/{first}")
    assert client.get(f"/files/{second}/content").content == png
