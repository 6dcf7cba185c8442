"""Sources: by file id, data URL, link of the sandbox itself, or link elsewhere."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.server import Sandbox

Upload = Callable[..., str]


class Bucket(BaseHTTPRequestHandler):
    """Gives what it has and takes what it is sent."""

    contents: dict[str, bytes] = {}
    taken: dict[str, tuple[str, bytes]] = {}
    agents: list[str] = []

    def do_GET(self) -> None:
        self.agents.append(self.headers["user-agent"])
        data = self.contents.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.end_headers()
        self.wfile.write(data or b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken[self.path] = (self.headers["content-type"], body)
        self.send_response(403 if "forbidden" in self.path else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def edit(client: httpx.Client, image: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"prompt": "blue", "model": "grok-imagine-image", "image": image}
    return client.post("/images/edits", json=body | fields)


def test_a_data_url_is_a_source(client: httpx.Client, png: bytes) -> None:
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    assert edit(client, {"url": url}).status_code == 200
    assert edit(client, {"image_url": url, "type": "image_url"}).status_code == 200


def test_known_extras_of_clients_are_accepted_and_noted(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    image = {"file_id": upload(), "type": "image_url"}
    assert edit(client, image, stream=False, sync_mode=True, output_format="jpeg").status_code == 200
    assert sandbox.journal[-1]["unknown"] == ["stream", "sync_mode", "output_format", "image.type"]


def test_links_of_the_sandbox_itself_are_sources(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    file_id = upload()
    first = edit(client, {"file_id": file_id}, storage_options={"filename": "a.jpg", "public_url": True}).json()
    [image] = first["data"]
    before = len(sandbox.journal)
    assert edit(client, {"url": image["url"]}).status_code == 200
    assert edit(client, {"url": image["file_output"]["public_url"]}).status_code == 200
    assert len(sandbox.journal) == before + 2, "what it has, it need not fetch"


def test_its_own_link_under_another_name_is_fetched(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    link = edit(client, {"file_id": upload()}).json()["data"][0]["url"]
    assert edit(client, {"url": link.replace("127.0.0.1", "localhost")}).status_code == 200


def test_a_dead_link_of_its_own_fails_the_request(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    link = edit(client, {"file_id": upload()}).json()["data"][0]["url"]
    sandbox.clock.advance(90_000)
    assert edit(client, {"url": link}).status_code == 400


def test_a_link_elsewhere_is_fetched(client: httpx.Client, bucket: str, png: bytes) -> None:
    Bucket.contents["/a.png"] = png
    assert edit(client, {"url": f"{bucket}/a.png"}).status_code == 200
    assert Bucket.agents[-1] == "XaiImageApiFetch/1.0"


def test_a_link_that_leads_nowhere_or_to_too_much_fails_the_request(
    sandbox: Sandbox, client: httpx.Client, bucket: str
) -> None:
    Bucket.contents["/big.png"] = b"x" * (10 * 2**20 + 1)
    for path, words in (("missing.png", "Failed to fetch"), ("big.png", "more than 10485760 bytes")):
        refused = edit(client, {"url": f"{bucket}/{path}"})
        assert refused.status_code == 400
        assert words in refused.json()["error"]
    assert sandbox.ledger.charges == []


def test_a_file_that_is_no_picture_is_refused(client: httpx.Client, upload: Upload) -> None:
    refused = edit(client, {"file_id": upload("a.png", b"no picture")})
    assert (refused.status_code, "not a readable image" in refused.json()["error"]) == (400, True)


def test_results_are_put_into_the_callers_bucket(
    sandbox: Sandbox, client: httpx.Client, bucket: str, upload: Upload
) -> None:
    links = [f"{bucket}/one?signature=1", f"{bucket}/two"]
    answer = edit(client, {"file_id": upload()}, n=2, output={"upload_urls": links}).json()
    assert [image["url"] for image in answer["data"]] == links
    kind, data = Bucket.taken["/one?signature=1"]
    assert (kind, data[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_a_bucket_that_refuses_fails_the_request_unbilled(
    sandbox: Sandbox, client: httpx.Client, bucket: str, upload: Upload
) -> None:
    refused = edit(client, {"file_id": upload()}, output={"upload_urls": [f"{bucket}/forbidden"]})
    assert (refused.status_code, "Failed to upload" in refused.json()["error"]) == (400, True)
    assert sandbox.ledger.charges == []


def test_a_source_may_go_once_its_job_is_accepted(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    file_id = upload()
    request_id = edit(client, {"file_id": file_id}, deferred=True).json()["request_id"]
    client.delete(f"/files/{file_id}")
    sandbox.clock.advance(1)
    assert client.get(f"/images/{request_id}").json()["status"] == "done"
