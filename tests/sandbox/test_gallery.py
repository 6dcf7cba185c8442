"""The gallery: shows what is there, escapes what users wrote, and can be taken away."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx

from airflow_provider_grok.sandbox.gallery import write_copy
from airflow_provider_grok.sandbox.server import Sandbox

Upload = Callable[..., str]
PROMPT = '<script>alert("hi")</script>'


def make(client: httpx.Client, file_id: str) -> str:
    body = {
        "prompt": PROMPT,
        "model": "grok-imagine-image",
        "image": {"file_id": file_id},
        "storage_options": {"filename": "<b>.jpg", "public_url": True},
    }
    answer = client.post("/images/edits", json=body).json()
    return str(answer["data"][0]["file_output"]["file_id"])


def test_it_shows_lineage_links_and_charges(
    client: httpx.Client, passer_by: httpx.Client, root: str, upload: Upload
) -> None:
    source = upload("hero.png")
    result = make(client, source)
    page = passer_by.get(root)
    assert f'made from <a href="#{source}">hero.png</a>' in page.text
    assert client.get(f"/files/{result}").json()["public_url"] in page.text
    assert "$0.0220" in page.text
    assert "/v1/images/edits" in page.text


def test_texts_of_users_are_escaped_and_scripts_forbidden(
    client: httpx.Client, passer_by: httpx.Client, root: str, upload: Upload
) -> None:
    make(client, upload())
    page = passer_by.get(root)
    assert PROMPT not in page.text
    assert "&lt;script&gt;" in page.text
    assert "<b>.jpg" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_it_serves_pictures_and_nothing_else(passer_by: httpx.Client, root: str, upload: Upload, png: bytes) -> None:
    picture, other = upload(), upload("a.html", b"<script>", "text/html")
    assert passer_by.get(f"{root}/_sandbox/media/{picture}").content == png
    assert passer_by.get(f"{root}/_sandbox/media/{other}").status_code == 404
    assert passer_by.get(f"{root}/_sandbox/media/unknown").status_code == 404


def test_a_deleted_source_is_shown_as_gone(
    client: httpx.Client, passer_by: httpx.Client, root: str, upload: Upload
) -> None:
    source = upload("hero.png")
    make(client, source)
    client.delete(f"/files/{source}")
    assert 'hero.png <span class="soft">(gone)</span>' in passer_by.get(root).text


def test_the_copy_needs_no_server(
    sandbox: Sandbox,
    client: httpx.Client,
    passer_by: httpx.Client,
    root: str,
    upload: Upload,
    png: bytes,
    tmp_path: Path,
) -> None:
    source = upload()
    make(client, source)
    archive = zipfile.ZipFile(io.BytesIO(passer_by.get(f"{root}/_sandbox/gallery.zip").content))
    page = archive.read("index.html").decode()
    assert f'src="media/{source}.png"' in page
    assert archive.read(f"media/{source}.png") == png
    written = write_copy(sandbox.backend, tmp_path / "gallery", root)
    assert (written.parent / "media" / f"{source}.png").read_bytes() == png
