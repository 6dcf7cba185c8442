"""The gallery: shows what is there, escapes what users wrote, and can be taken away."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from airflow_provider_grok.sandbox.gallery import copy, write_copy
from airflow_provider_grok.sandbox.gallery_tables import TABLES
from airflow_provider_grok.sandbox.server import Sandbox
from tests.sandbox.batch_calls import create, fill, row

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
    charges = passer_by.get(f"{root}/?view=charges").text
    assert "/v1/images/edits" in charges
    assert f'<a href="/#{result}">&lt;b&gt;.jpg</a>' in charges


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


def key(number: int) -> str:
    """A purchase's key, as our names have it."""
    return f"{number:014x}"


def draw(client: httpx.Client, name: str, prompt: str = "x", **body: Any) -> str:
    options = {"filename": name, "public_url": True} if body.pop("share", False) else {"filename": name}
    asked = {"prompt": prompt, "model": "grok-imagine-image", "storage_options": options, **body}
    path = "edits" if "image" in body else "generations"
    return str(client.post(f"/images/{path}", json=asked).json()["data"][0]["file_output"]["file_id"])


def titles(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?) <span", page)


def test_files_are_grouped_by_dag_and_run_with_the_source_at_the_head(
    sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client, root: str, upload: Upload
) -> None:
    source, unused = upload("hero.0123456789ab.png"), upload("other.png")
    first = [draw(client, f"shots.edit.{key(n)}.jpg", f"look {n}", image={"file_id": source}) for n in range(3)]
    clips = [draw(client, f"clips.make.{key(9)}.jpg")]
    draw(client, "by hand.jpg")
    sandbox.clock.advance(90)
    second = [draw(client, f"shots.edit.{key(n + 5)}.jpg", f"look {n}", image={"file_id": source}) for n in range(2)]
    page = passer_by.get(root).text
    assert titles(page) == ["DAG shots", "Other results", "DAG clips", "DAG shots", "Uploads"]
    ids = re.findall(r'<article class="card" id="([^"]+)"', page)
    assert ids[:2] == second and ids[3] == clips[0] and ids[4:8] == [source, *first] and ids[8:] == [unused]
    assert "4 files, $0.0660" in page
    assert page.count("task edit") == 5


def test_a_result_named_by_hand_stands_with_what_it_was_made_from(
    client: httpx.Client, passer_by: httpx.Client, root: str
) -> None:
    first = draw(client, f"shots.edit.{key(1)}.jpg")
    draw(client, f"campaign.{key(2)}.jpg", image={"file_id": first})
    assert titles(passer_by.get(root).text) == ["DAG shots"]


def test_equal_prompts_of_mapped_tasks_and_pictures_of_one_request_are_one_run(
    client: httpx.Client, passer_by: httpx.Client, root: str
) -> None:
    for number in range(3):
        draw(client, f"shots.edit.{key(number)}.jpg", "the same")
    draw(client, f"shots.edit.{key(7)}.jpg", "several", n=2)
    assert titles(passer_by.get(root).text) == ["DAG shots"]


def test_search_finds_by_name_prompt_model_and_id_and_says_how_many(
    client: httpx.Client, passer_by: httpx.Client, root: str
) -> None:
    wanted = draw(client, "one.jpg", "A red Bicycle & more")
    draw(client, "two.jpg", "a boat")
    asked = {"bicycle": 1, "bicycle & more": 1, "ONE.": 1, wanted: 1, "grok-imagine": 2, "%": 0}
    for query, found in asked.items():
        page = passer_by.get(root, params={"q": query}).text
        assert page.count('<article class="card"') == found, query
        assert f"{found} found." in page
        assert ("No files yet." in page) is (found == 0)
    assert 'value="&lt;b&gt;"' in passer_by.get(root, params={"q": "<b>"}).text


def test_sixty_files_are_a_page_and_links_find_the_page_of_a_source(
    client: httpx.Client, passer_by: httpx.Client, root: str, sandbox: Sandbox
) -> None:
    old = draw(client, "old.jpg")
    sandbox.clock.advance(1000)
    batch = create(client)
    fill(client, batch, *(row(f"r{n}", storage_options={"filename": f"b.t.r{n}.{key(1)}.jpg"}) for n in range(70)))
    sandbox.clock.advance(10)
    sandbox.clock.advance(1000)
    draw(client, "new.jpg", image={"file_id": old})
    first, second = (passer_by.get(root, params={"page": number}).text for number in (1, 2))
    assert first.count('<article class="card"') == 60 and second.count('<article class="card"') == 12
    assert "page 1 of 2" in first and 'rel="next" href="/?page=2"' in first and 'rel="prev" href="/"' in second
    assert f'made from <a href="/?page=2#{old}">' in first
    assert f'id="{old}"' in second


@pytest.mark.parametrize(
    "query", ["page=99", "page=0", "page=-1", "page=x", "page=" + "9" * 50, "view=x", "page=\u0661"]
)
def test_a_page_that_is_not_there_is_the_nearest_one(
    client: httpx.Client, passer_by: httpx.Client, root: str, query: str
) -> None:
    draw(client, "a.jpg")
    page = passer_by.get(f"{root}/?{query}")
    assert (page.status_code, page.text.count('<article class="card"')) == (200, 1)


def fill_all(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    """Something in every view, under hostile names."""
    draw(client, "<b>.jpg", PROMPT, image={"file_id": upload("<i>.png")}, share=True)
    client.post(
        "/images/generations", json={"prompt": PROMPT, "deferred": True, "storage_options": {"filename": "<d>.jpg"}}
    )
    fill(client, create(client, name="<name>"), row("<row>", storage_options={"filename": "<c>.jpg"}))
    client.delete(f"/files/{upload('<gone>.png')}")
    upload("short.png", expires_after="3600")
    sandbox.clock.advance(4000)
    client.get("/files")
    client.get("/<path>")
    sandbox.faults.add({"path": "/v1/<b>", "action": {"status": 500, "body": "<b>"}})


def test_every_view_shows_its_things_and_escapes_them(
    sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client, root: str, upload: Upload
) -> None:
    fill_all(sandbox, client, upload)
    expected = {
        "jobs": ["&lt;d&gt;.jpg", "&lt;c&gt;.jpg", "done"],
        "batches": ["&lt;name&gt;"],
        "charges": ["$0.0220", "&lt;row&gt;", "&lt;c&gt;.jpg"],
        "requests": ["/v1/&lt;path&gt;"],
        "faults": ["/v1/&lt;b&gt;"],
        "expired": ["&lt;gone&gt;.png", "deleted", "short.png", "expired 20"],
    }
    assert expected.keys() == TABLES.keys()
    for name, words in expected.items():
        page = passer_by.get(root, params={"view": name}).text
        assert [word for word in words if word not in page] == [], name
        assert not re.search(r"<(b|i|c|d|row|gone|path|name)>", page), name
        assert f'aria-current="page">{name}' in page


def test_the_copy_has_no_dead_links_and_no_form(
    sandbox: Sandbox, client: httpx.Client, root: str, upload: Upload
) -> None:
    fill_all(sandbox, client, upload)
    for number in range(65):
        draw(client, f"many.t.{key(number)}.jpg", f"look {number}", resolution="1k", aspect_ratio="1:2")
    contents = copy(sandbox.backend, root)
    pages = {name: data.decode() for name, data in contents.items() if name.endswith(".html")}
    assert {"index.html", "files-2.html", "charges.html"} <= pages.keys()
    for name, page in pages.items():
        assert "<form" not in page
        for link in re.findall(r'(?:href|src)="([^"]*)"', page):
            target, _, anchor = unquote(link).partition("#")
            assert target == "" or target in contents, (name, link)
            assert not anchor or f'id="{anchor}"' in pages[target or name], (name, link)
    assert "public link (while the sandbox runs)" in pages["index.html"] + pages["files-2.html"]


def test_what_a_browser_asks_for_by_itself_is_no_request_to_the_api(
    sandbox: Sandbox, passer_by: httpx.Client, root: str
) -> None:
    for path in ("/", "/favicon.ico", "/_sandbox/journal"):
        passer_by.get(f"{root}{path}")
    assert sandbox.journal == []


def test_an_empty_gallery_teaches_and_shows_no_key_of_your_own(connect: Callable[[Sandbox], httpx.Client]) -> None:
    with Sandbox(api_key="xai-very-secret") as own:
        page = connect(own).get(own.url.removesuffix("v1")).text
        assert "AIRFLOW_CONN_GROK_DEFAULT" in page and own.url in page
        assert "xai-very-secret" not in page
