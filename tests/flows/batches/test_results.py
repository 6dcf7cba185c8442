"""Keeping single results: what is no picture is not stored as one, and foreign hosts are not asked."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.operators.batches import generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, asked, names
from tests.batch_run import Settle, Store, ask, content, edits, persisting, rows_of, submission, user_id

LINK = {"method": "GET", "path": "/*imgen*"}
Rewrite = Callable[[Callable[[list[dict[str, Any]]], Any]], None]


@pytest.fixture
def batch(sandbox: Sandbox, settle: Settle, store: Store) -> str:
    """A finished batch of three, whose results are on links only."""
    settle(batch_storage=False)
    made: str = submission(edits(store(), 3)).execute()
    return made


@pytest.fixture
def rewrite(sandbox: Sandbox, batch: str) -> Rewrite:
    """Let the server tell the batch's results otherwise than they are."""

    def change(edit: Callable[[list[dict[str, Any]]], Any]) -> None:
        results = ask(sandbox, "GET", f"/batches/{batch}/results")["results"]
        edit(results)
        body = {"results": results, "pagination_token": None}
        path = f"/v1/batches/{batch}/results"
        sandbox.faults.add({"method": "GET", "path": path, "times": None, "action": {"status": 200, "body": body}})

    return change


def picture_in(result: dict[str, Any]) -> dict[str, Any]:
    image: dict[str, Any] = result["batch_result"]["response"]["image_generation"]["data"][0]
    return image


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[str]]]:
    """A web server that is not xAI's, and what it was asked."""
    seen: list[str] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *args: Any) -> None:
            """Be quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://localhost:{server.server_port}/x.jpg", seen
    server.shutdown()
    server.server_close()


def test_a_web_page_instead_of_a_picture_is_not_stored_and_a_retry_may_do_better(
    sandbox: Sandbox, batch: str, time: Time
) -> None:
    link = picture_in(ask(sandbox, "GET", f"/batches/{batch}/results")["results"][0])["url"]
    path = link[link.index("/", 8) :].partition("?")[0]
    page = {"status": 200, "headers": {"content-type": "text/html"}, "body": "<html>Sign in</html>"}
    sandbox.faults.add({"method": "GET", "path": path, "action": page})
    run = persisting(batch)
    with pytest.raises(AirflowException, match=r"2 of 3 requests kept, 1 more .*retry copies.*neither a picture nor"):
        run.execute()
    assert run.receipt["counts"] == {"requests": 3, "kept": 2, "failed": 1}
    assert len(run.xcom["return_value"]) == 2
    assert not any("html" in name for name in names(sandbox))
    assert len(run.execute()) == 3


@pytest.mark.parametrize(
    "host", ["https://evil.example/x.jpg", "ftp://files.x.ai/x.jpg", "file:///etc/passwd", "x.jpg"]
)
def test_a_link_to_a_foreign_host_is_refused_and_min_success_decides(
    sandbox: Sandbox, batch: str, rewrite: Rewrite, host: str
) -> None:
    rewrite(lambda results: picture_in(results[0]).update(url=host))
    run = persisting(batch)
    assert len(run.execute()) == 2
    (row,) = [row for row in rows_of(sandbox, run) if row["state"] != "kept"]
    assert "not fetched from" in row["reason"]
    with pytest.raises(AirflowFailException, match="min_success=1 wants 3"):
        persisting(batch, min_success=1).execute()


def test_a_foreign_host_is_not_even_asked(
    sandbox: Sandbox, batch: str, rewrite: Rewrite, stranger: tuple[str, list[str]]
) -> None:
    url, seen = stranger
    rewrite(lambda results: picture_in(results[0]).update(url=url))
    assert len(persisting(batch).execute()) == 2
    assert seen == []


def test_a_picture_inside_the_answer_is_kept(sandbox: Sandbox, settle: Settle, time: Time) -> None:
    settle(batch_storage=False)
    requests = [generate_image(f"row-{number}", prompt="x", response_format="b64_json") for number in range(7)]
    batch = submission(requests).execute()
    run = persisting(batch)
    kept = run.execute()
    results = ask(sandbox, "GET", f"/batches/{batch}/results")["results"]
    wanted = {user_id(one["batch_request_id"]): base64.b64decode(picture_in(one)["b64_json"]) for one in results}
    assert {
        row["batch_request_id"]: content(sandbox, row["files"][0]["file_id"]) for row in rows_of(sandbox, run)
    } == wanted
    assert len(kept) == 7
    pages = [one["query"].get("limit") for one in asked(sandbox, "GET", "/results")]
    assert pages[:2] == ["5", "2"]


def test_text_that_is_no_picture_is_not_stored(sandbox: Sandbox, batch: str, rewrite: Rewrite) -> None:
    def spoil(results: list[dict[str, Any]]) -> None:
        picture_in(results[0]).update(url=None, b64_json="no base64!")
        picture_in(results[1]).update(url=None, b64_json=base64.b64encode(b"<html>").decode())
        picture_in(results[2]).update(url=None)

    rewrite(spoil)
    run = persisting(batch)
    with pytest.raises(AirflowException, match="0 of 3 requests kept, 2 more could not be copied"):
        run.execute()
    reasons = " ".join(row["reason"] for row in rows_of(sandbox, run))
    assert "no base64" in reasons
    assert "neither a picture nor a video" in reasons
    assert "it is done, and its answer holds no image" in reasons


def test_an_upload_whose_answer_is_lost_is_found_and_not_sent_again(sandbox: Sandbox, batch: str, time: Time) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/files", "times": 2, "action": {"drop": "after"}})
    assert len(set(persisting(batch).execute())) == 3
    assert len(names(sandbox)) == 5


def test_a_link_that_breaks_off_is_fetched_again(sandbox: Sandbox, batch: str, time: Time) -> None:
    sandbox.faults.add({**LINK, "times": 2, "action": {"truncate": 100}})
    run = persisting(batch)
    assert len(set(run.execute())) == 3
    for row in rows_of(sandbox, run):
        assert row["files"][0]["bytes"] == len(content(sandbox, row["files"][0]["file_id"]))


def test_results_that_come_twice_or_on_endless_pages_are_kept_once(
    sandbox: Sandbox, batch: str, rewrite: Rewrite
) -> None:
    results = ask(sandbox, "GET", f"/batches/{batch}/results")["results"]
    body = {"results": [*results, *results], "pagination_token": "again"}
    path = f"/v1/batches/{batch}/results"
    sandbox.faults.add({"method": "GET", "path": path, "times": None, "action": {"status": 200, "body": body}})
    assert len(set(persisting(batch).execute())) == 3
    assert len(names(sandbox)) == 5


def test_a_stored_result_needs_no_copy_and_a_failed_storage_is_made_good(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    path = "/v1/batches/*/requests"
    sandbox.faults.add({"path": path, "only": ["row-1"], "action": {"storage_error": True}})
    run = persisting(submission(edits(store(), 3)).execute())
    assert len(set(run.execute())) == 3
    shas = [row["files"][0]["sha256"] for row in rows_of(sandbox, run)]
    assert [sha is None for sha in shas] == [True, False, True]


def test_a_batch_of_another_program_is_kept_too(sandbox: Sandbox, settle: Settle) -> None:
    settle(batch_storage=False)
    batch = ask(sandbox, "POST", "/batches", json={"name": "by hand"})["batch_id"]
    entry = {
        "batch_request_id": "SKU 12/ä",
        "batch_request": {"image_generation": {"model": "grok-imagine-image", "prompt": "x"}},
    }
    ask(sandbox, "POST", f"/batches/{batch}/requests", json={"batch_requests": [entry]})
    run = persisting(batch)
    assert len(run.execute()) == 1
    assert names(sandbox)[0].startswith("by-hand.SKU-12-~")
