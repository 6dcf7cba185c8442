"""Files: list, metadata, content, delete, and their end."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

Upload = Callable[..., str]


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [file["id"] for file in answer.json()["data"]]


def test_the_newest_file_comes_first(client: httpx.Client, upload: Upload) -> None:
    made = [upload(f"{number}.png") for number in range(3)]
    assert ids(client.get("/files")) == made[::-1]
    assert ids(client.get("/files", params={"order": "asc"})) == made


@pytest.mark.parametrize("token_name", ["pagination_token", "after"])
def test_pages_join_without_gap_or_overlap(client: httpx.Client, upload: Upload, token_name: str) -> None:
    made = [upload() for _ in range(5)]
    first = client.get("/files", params={"limit": 2, "order": "asc"})
    second = client.get("/files", params={"limit": 3, "order": "asc", token_name: first.json()["pagination_token"]})
    assert ids(first) + ids(second) == made
    assert second.json()["pagination_token"], "the last page has a token too"
    token = second.json()["pagination_token"]
    beyond = client.get("/files", params={"order": "asc", token_name: token})
    assert ids(beyond) == []
    assert beyond.json()["pagination_token"] is None, "or clients that look at nothing else would never stop"


def test_an_empty_question_is_none(client: httpx.Client, upload: Upload) -> None:
    made = [upload(), upload()]
    assert ids(client.get("/files?limit=&order=&sort_by=&filter=&pagination_token=")) == made[::-1]


def test_a_listing_goes_on_where_its_last_file_was_deleted(client: httpx.Client, upload: Upload) -> None:
    made = [upload() for _ in range(4)]
    page = client.get("/files", params={"limit": 2, "order": "asc"}).json()
    for file in page["data"]:
        client.delete(f"/files/{file['id']}")
    rest = client.get("/files", params={"order": "asc", "pagination_token": page["pagination_token"]})
    assert ids(rest) == made[2:]


def test_files_are_sorted_by_name_or_size(client: httpx.Client, upload: Upload) -> None:
    b, capital, a = upload("b", b"123", "text/plain"), upload("B", b"1", "text/plain"), upload("a", b"12", "text/plain")
    assert ids(client.get("/files", params={"sort_by": "filename", "order": "asc"})) == [capital, a, b]
    assert ids(client.get("/files", params={"sort_by": "size"})) == [b, a, capital]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "x"}, {"order": "up"}, {"sort_by": "name"}, {"pagination_token": "nonsense"}]
)
def test_a_bad_query_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    assert client.get("/files", params=query).status_code == 400


def test_a_page_has_a_hundred_files_at_most(client: httpx.Client, upload: Upload) -> None:
    for _ in range(101):
        upload(data=b"x")
    assert len(ids(client.get("/files"))) == len(ids(client.get("/files", params={"limit": 1000}))) == 100


def test_a_second_delete_is_a_404(client: httpx.Client, upload: Upload) -> None:
    file_id = upload()
    assert client.delete(f"/files/{file_id}").json() == {"id": file_id, "object": "file", "deleted": True}
    again = client.delete(f"/files/{file_id}")
    assert (again.status_code, again.json()["code"]) == (404, "not-found")


def test_a_deleted_file_leaves_no_bytes_behind(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    file_id = upload(data=b"only once")
    client.delete(f"/files/{file_id}")
    assert list(sandbox.backend.store.blobs.iterdir()) == []


def test_an_expired_file_is_gone_everywhere(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    file_id = upload(expires_after="3600")
    sandbox.clock.advance(3590)
    assert client.get(f"/files/{file_id}").status_code == 200
    sandbox.clock.advance(20)
    for path in (f"/files/{file_id}", f"/files/{file_id}/content"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/files/{file_id}").status_code == 404
    assert ids(client.get("/files")) == []


def test_text_is_read_from_text_only(client: httpx.Client, upload: Upload) -> None:
    note, picture = upload("a.txt", b"hello", "text/plain"), upload()
    assert client.get(f"/files/{note}/content", params={"format": "text"}).text == "hello"
    assert client.get(f"/files/{picture}/content", params={"format": "text"}).status_code == 400
    assert client.get(f"/files/{picture}/content", params={"format": "gif"}).status_code == 400
