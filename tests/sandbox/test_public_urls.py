"""Public URLs: their end, their token, their quota."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

Upload = Callable[..., str]


def share(client: httpx.Client, file_id: str, seconds: int | None = None) -> httpx.Response:
    body = {} if seconds is None else {"json": {"expires_after": seconds}}
    return client.post(f"/files/{file_id}/public-url", **body)  # type: ignore[arg-type]


def test_a_link_serves_the_bytes_without_a_key(
    client: httpx.Client, passer_by: httpx.Client, upload: Upload, png: bytes
) -> None:
    file_id = upload()
    link = share(client, file_id).json()["public_url"]
    assert link.endswith(f"/{file_id}.png")
    served = passer_by.get(link)
    assert (served.content, served.headers["content-type"]) == (png, "image/png")


def test_a_link_carries_the_host_that_the_client_used(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    named = client.post(f"/files/{upload()}/public-url", headers={"host": "grok.localhost:99"})
    assert named.json()["public_url"].startswith("http://grok.localhost:99/")


@pytest.mark.parametrize(
    ("file_life", "link_life", "end"),
    [(None, None, None), (None, 3600, 3600), (7200, None, 7200), (7200, 3600, 3600), (7200, 7200, 7200)],
)
def test_the_end_of_a_link(
    sandbox: Sandbox,
    client: httpx.Client,
    upload: Upload,
    file_life: int | None,
    link_life: int | None,
    end: int | None,
) -> None:
    sandbox.clock.rate = 0
    file_id = upload(**({"expires_after": str(file_life)} if file_life else {}))
    made = share(client, file_id, link_life).json()
    file = client.get(f"/files/{file_id}").json()
    expected = None if end is None else file["created_at"] + end
    assert made.get("expires_at") == expected == file.get("public_url_expires_at")
    assert made["public_url"] == file["public_url"]


def test_a_link_beyond_the_life_of_its_file_is_refused(client: httpx.Client, upload: Upload) -> None:
    assert share(client, upload(expires_after="3600"), 7200).status_code == 400


@pytest.mark.parametrize("seconds", [0, 3599, 2_592_001])
def test_a_life_out_of_bounds_is_refused(client: httpx.Client, upload: Upload, seconds: int) -> None:
    assert share(client, upload(), seconds).status_code == 400


def test_a_repeat_gives_the_same_link_with_a_new_end(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    sandbox.clock.rate = 0
    file_id = upload()
    first, same, later = share(client, file_id, 3600), share(client, file_id), share(client, file_id, 7200)
    assert first.json() == same.json()
    assert later.json()["public_url"] == first.json()["public_url"]
    assert later.json()["expires_at"] == first.json()["expires_at"] + 3600


def test_a_link_dies_at_its_end(
    sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client, upload: Upload
) -> None:
    file_id = upload()
    link = share(client, file_id, 3600).json()["public_url"]
    sandbox.clock.advance(3601)
    assert passer_by.get(link).status_code == 404
    assert "public_url" not in client.get(f"/files/{file_id}").json()
    assert share(client, file_id).json()["public_url"] != link


def test_a_revoked_link_dies_at_once_and_its_successor_has_another_token(
    client: httpx.Client, passer_by: httpx.Client, upload: Upload
) -> None:
    file_id = upload()
    link = share(client, file_id).json()["public_url"]
    revoked = client.post(f"/files/{file_id}/public-url/revoke").json()
    assert revoked == {"id": file_id, "revoked": True, "public_url": link}
    assert passer_by.get(link).status_code == 404
    assert client.post(f"/files/{file_id}/public-url/revoke").json() == {"id": file_id, "revoked": False}
    assert share(client, file_id).json()["public_url"] != link


def test_a_revoke_succeeds_on_files_that_are_no_more(client: httpx.Client, upload: Upload) -> None:
    file_id = upload()
    client.delete(f"/files/{file_id}")
    for gone in (file_id, "file_unknown"):
        answer = client.post(f"/files/{gone}/public-url/revoke")
        assert (answer.status_code, answer.json()) == (200, {"id": gone, "revoked": False})


def test_a_link_dies_with_its_file(client: httpx.Client, passer_by: httpx.Client, upload: Upload) -> None:
    file_id = upload()
    link = share(client, file_id).json()["public_url"]
    client.delete(f"/files/{file_id}")
    assert passer_by.get(link).status_code == 404
    assert share(client, file_id).status_code == 404


@pytest.mark.parametrize("kind", ["image/webp", "text/plain", "application/octet-stream"])
def test_other_types_have_no_link(client: httpx.Client, upload: Upload, kind: str) -> None:
    assert share(client, upload("a.bin", b"x", kind)).status_code == 400


def test_an_empty_file_has_no_link(client: httpx.Client, upload: Upload) -> None:
    assert share(client, upload(data=b"")).status_code == 400


def test_one_link_too_many_is_a_429_until_another_dies(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    made = [upload() for _ in range(4)]
    assert [share(client, file_id, 3600).status_code for file_id in made] == [200, 200, 200, 429]
    assert share(client, made[0]).status_code == 200, "a repeat needs no place"
    sandbox.clock.advance(3601)
    assert share(client, made[3]).status_code == 200


def test_a_wrong_type_cannot_be_read(client: httpx.Client, upload: Upload) -> None:
    refused = client.post(f"/files/{upload()}/public-url", json={"expires_after": "3600"})
    assert refused.status_code == 422
    assert refused.headers["content-type"].startswith("text/plain")
