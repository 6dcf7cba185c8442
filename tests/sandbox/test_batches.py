"""Batches: filling, counters by the clock, results and their short-lived links, cancelling, billing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox import film
from airflow_provider_grok.sandbox.server import Sandbox
from tests.sandbox.batch_calls import (
    IMAGE,
    IMAGE_TICKS,
    Upload,
    add,
    counts,
    create,
    fill,
    pages,
    picture_of,
    results,
    row,
)


@pytest.fixture
def batch_id(sandbox: Sandbox, client: httpx.Client) -> str:
    sandbox.clock.rate = 0
    return create(client)


def test_a_new_batch_is_empty_and_speaks_in_bare_dates(sandbox: Sandbox, client: httpx.Client) -> None:
    batch = client.post("/batches", json={"name": "nightly"}).json()
    assert batch["state"] == dict.fromkeys(
        ("num_requests", "num_pending", "num_success", "num_error", "num_cancelled"), 0
    )
    assert batch["cancel_time"] is batch["cancel_by_xai_message"] is batch["input_file_id"] is None
    today = time.strftime("%Y-%m-%d", time.gmtime(sandbox.clock.now()))
    assert batch["create_time"] == today < batch["expire_time"]
    assert len(batch["expire_time"]) == len("2026-11-22")
    assert "status" not in batch


def test_a_batch_needs_a_name_and_an_unknown_one_is_a_404(client: httpx.Client) -> None:
    assert client.post("/batches", json={}).status_code == 422
    answer = client.get("/batches/batch_none")
    assert (answer.status_code, answer.json()) == (404, {"code": "not-found", "error": "Batch not found"})


def test_requests_end_one_after_another_over_the_time_of_a_batch(
    sandbox: Sandbox, client: httpx.Client, batch_id: str
) -> None:
    fill(client, batch_id, *(row(f"row-{number}") for number in range(8)))
    seen = []
    for _ in range(5):
        seen.append(counts(client, batch_id)[1:3])
        sandbox.clock.advance(1)
    assert seen == [(8, 0), (6, 2), (4, 4), (2, 6), (0, 8)]


def test_results_can_be_read_while_the_batch_runs_and_come_in_no_particular_order(
    sandbox: Sandbox, client: httpx.Client, batch_id: str
) -> None:
    names = [f"row-{number}" for number in range(20)]
    fill(client, batch_id, *map(row, names))
    sandbox.clock.advance(2)
    early = list(results(client, batch_id))
    sandbox.clock.advance(2)
    late = list(results(client, batch_id))
    assert late[:10] == early
    assert sorted(late) == sorted(names)
    assert late != names


def test_the_last_page_has_no_token(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, *(row(f"row-{number}") for number in range(6)))
    sandbox.clock.advance(4)
    for path, key in (("results", "results"), ("requests", "batch_request_metadata")):
        sizes = [len(page) for page in pages(client, f"/batches/{batch_id}/{path}", key, 3)]
        assert sizes == [3, 3]
    assert client.get(f"/batches/{batch_id}/results", params={"pagination_token": "?"}).status_code == 400
    assert client.get(f"/batches/{batch_id}/results", params={"limit": 0}).status_code == 400


def test_the_list_of_batches_is_paged_newest_first(sandbox: Sandbox, client: httpx.Client) -> None:
    ids = [create(client) for _ in range(5)]
    listed = [[batch["batch_id"] for batch in page] for page in pages(client, "/batches", "batches", 2)]
    assert listed == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]


def test_the_list_of_requests_tells_their_states(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    sandbox.faults.add({"path": "/v1/batches/*/requests", "action": {"fail": "internal_error"}, "only": ["bad"]})
    fill(client, batch_id, row("good"), row("bad"))
    sandbox.clock.advance(4)
    fill(client, batch_id, row("new"))
    listed = client.get(f"/batches/{batch_id}/requests").json()["batch_request_metadata"]
    assert [(one["batch_request_id"], one["state"]) for one in listed] == [
        ("good", "succeeded"),
        ("bad", "failed"),
        ("new", "pending"),
    ]
    assert (listed[0]["endpoint"], listed[0]["model"]) == ("xai_api.Image/GenerateImage", IMAGE)
    assert listed[2]["finish_time"] is None


def test_five_hundred_edits_are_counted_and_listed_at_once(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, upload: Upload
) -> None:
    source = {"file_id": upload()}
    rows = [
        row(f"row-{number}", "image_edit", image=source, storage_options={"filename": f"{number}.jpg"})
        for number in range(500)
    ]
    begun = time.monotonic()
    fill(client, batch_id, *rows)
    sandbox.clock.advance(4)
    assert counts(client, batch_id) == (500, 0, 500, 0, 0)
    assert len(results(client, batch_id)) == 500
    assert time.monotonic() - begun < 10


def test_every_look_at_a_result_shows_the_same_bytes(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, upload: Upload, passer_by: httpx.Client
) -> None:
    options = {"filename": "a.jpg", "public_url": True}
    fill(client, batch_id, row("a", "image_edit", image={"file_id": upload()}, storage_options=options))
    sandbox.clock.advance(4)
    picture = picture_of(results(client, batch_id)["a"])
    kept = picture["file_output"]
    shown = [passer_by.get(picture["url"]).content, passer_by.get(kept["public_url"]).content]
    shown += [client.get(f"/files/{kept['file_id']}/content").content for _ in range(2)]
    assert len(set(shown)) == 1
    assert client.get(f"/files/{kept['file_id']}").json()["bytes"] == len(shown[0])


def test_stored_results_are_listed_when_they_end_with_their_true_sizes(
    sandbox: Sandbox, client: httpx.Client, batch_id: str
) -> None:
    fill(client, batch_id, *(row(name, storage_options={"filename": f"{name}.jpg"}) for name in "abcd"))
    assert client.get("/files").json()["data"] == []
    sandbox.clock.advance(2)
    assert len(client.get("/files").json()["data"]) == 2
    sandbox.clock.advance(2)
    for file in client.get("/files", params={"sort_by": "size"}).json()["data"]:
        assert len(client.get(f"/files/{file['id']}/content").content) == file["bytes"] > 1000


def test_a_promised_picture_can_be_a_source_though_its_own_source_is_gone(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, upload: Upload
) -> None:
    first = upload()
    fill(client, batch_id, row("a", "image_edit", image={"file_id": first}, storage_options={"filename": "a.jpg"}))
    sandbox.clock.advance(4)
    kept = picture_of(results(client, batch_id)["a"])["file_output"]["file_id"]
    client.delete(f"/files/{first}").raise_for_status()
    body = {"model": IMAGE, "prompt": "and blue", "image": {"file_id": kept}}
    assert client.post("/images/edits", json=body).status_code == 200


def test_links_die_an_hour_after_the_picture_was_made(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, passer_by: httpx.Client
) -> None:
    fill(client, batch_id, row("a"))
    sandbox.clock.advance(4 + 3_599)
    link = picture_of(results(client, batch_id)["a"])["url"]
    assert passer_by.get(link).status_code == 200
    assert passer_by.get(link.partition("?")[0]).status_code == 404, "the link is signed"
    sandbox.clock.advance(2)
    assert passer_by.get(link).status_code == 404


def test_pictures_may_come_as_text(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, row("a", response_format="b64_json"))
    sandbox.clock.advance(4)
    picture = picture_of(results(client, batch_id)["a"])
    assert picture["b64_json"].startswith("/9j/")
    assert "url" not in picture


def test_videos_their_edits_and_extensions_are_done_too(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, upload: Upload, passer_by: httpx.Client
) -> None:
    clip = {"file_id": upload("w.mp4", film.make(seconds=2, size=(64, 64), prompt="w", seed=1), "video/mp4")}
    model = "grok-imagine-video"
    fill(
        client,
        batch_id,
        row("new", "video_generation", model=model, duration=1, storage_options={"filename": "new.mp4"}),
        row("edit", "video_generation", model=model, video=clip),
        row("more", "video_extension", model=model, video=clip, duration=2),
    )
    sandbox.clock.advance(4)
    found = results(client, batch_id)
    videos = {name: one["batch_result"]["response"]["video_generation"]["video"] for name, one in found.items()}
    assert {name: video["duration"] for name, video in videos.items()} == {"new": 1, "edit": 2, "more": 4}
    assert film.probe(passer_by.get(videos["more"]["url"]).content)[0] == 4.0
    stored = client.get(f"/files/{videos['new']['file_output']['file_id']}/content")
    assert stored.content == passer_by.get(videos["new"]["url"]).content


def test_an_id_is_made_where_none_is_given(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, row(None), row(None))
    sandbox.clock.advance(4)
    assert len(results(client, batch_id)) == 2


@pytest.mark.parametrize(
    ("bad", "status", "word"),
    [
        (row("good"), 400, "duplicate batch_request_id 'good'"),
        (row("bad", prompt=""), 400, "batch_requests[1] (bad): prompt"),
        (row("bad", model="grok-foo"), 400, "grok-foo"),
        (row("bad", n=11), 400, "between 1 and 10"),
        (row("bad", "chat_get_completion", model="grok-4.5"), 400, "Model grok-4.5 is not supported for batch"),
        (row("bad", "chat_get_completion", model="grok-4.3"), 400, "not emulated"),
        (row("bad", "image_upscale"), 400, "image_upscale"),
        (row("bad", "image_edit", image="https://example.com/a.png"), 422, "batch_requests[1] (bad): image"),
        ({"batch_request_id": "bad", "batch_request": {}}, 400, "exactly one key"),
        ({"batch_request_id": "bad"}, 422, "batch_request"),
    ],
)
def test_one_bad_request_keeps_out_all(
    client: httpx.Client, batch_id: str, bad: dict[str, Any], status: int, word: str
) -> None:
    answer = add(client, batch_id, row("good"), bad)
    assert answer.status_code == status
    assert word in answer.text
    assert counts(client, batch_id) == (0, 0, 0, 0, 0)


def test_the_field_is_called_batch_requests(client: httpx.Client, batch_id: str) -> None:
    answer = client.post(f"/batches/{batch_id}/requests", json={"requests": [row("a")]})
    assert answer.status_code == 422
    assert "batch_requests" in answer.text


def test_an_id_that_the_batch_has_already_is_refused(client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, row("a"))
    assert add(client, batch_id, row("a")).status_code == 400
    assert counts(client, batch_id)[0] == 1


def test_a_finished_batch_can_grow_again(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, row("a"))
    sandbox.clock.advance(4)
    fill(client, batch_id, row("b"))
    assert counts(client, batch_id) == (2, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (None, {"batch_result": {"error": {"code": 3, "message": "Rejected by content moderation."}}}),
        ("text", {"batch_result": {"error": "Rejected by content moderation."}}),
        ("top", {"error_message": "Rejected by content moderation."}),
    ],
)
def test_one_of_many_is_moderated_in_the_asked_shape_and_billed(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, shape: str | None, expected: dict[str, Any]
) -> None:
    action = {"moderate": True} if shape is None else {"moderate": True, "shape": shape}
    order = {"method": "POST", "path": "/v1/batches/*/requests", "action": action, "only": ["row-7"]}
    sandbox.faults.add(order)
    fill(client, batch_id, *(row(f"row-{number}") for number in range(10)))
    sandbox.clock.advance(4)
    assert counts(client, batch_id) == (10, 0, 9, 1, 0)
    assert results(client, batch_id)["row-7"] == {"batch_request_id": "row-7", **expected}
    assert sandbox.ledger.total_ticks == 10 * IMAGE_TICKS


def test_a_moderated_picture_may_also_be_a_success_with_a_flag(
    sandbox: Sandbox, client: httpx.Client, batch_id: str
) -> None:
    sandbox.faults.add({"path": "/v1/batches/*/requests", "action": {"moderate": "placeholder"}})
    fill(client, batch_id, row("a", storage_options={"filename": "a.jpg"}))
    sandbox.clock.advance(4)
    picture = picture_of(results(client, batch_id)["a"])
    assert picture["respect_moderation"] is False
    assert "file_output" not in picture


def test_storing_can_fail_for_one_request(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    sandbox.faults.add({"path": "/v1/batches/*/requests", "action": {"storage_error": True}, "only": ["b"]})
    fill(client, batch_id, *(row(name, storage_options={"filename": f"{name}.jpg"}) for name in "ab"))
    sandbox.clock.advance(4)
    found = results(client, batch_id)
    assert "file_output" in picture_of(found["a"])
    assert "storage_error" in picture_of(found["b"])


def test_a_missing_source_is_an_error_of_its_request(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, row("lost", "image_edit", image={"file_id": "file_none"}))
    sandbox.clock.advance(4)
    errors = {name: one["batch_result"]["error"] for name, one in results(client, batch_id).items()}
    assert "file_none" in errors["lost"]["message"]
    assert sandbox.ledger.charges == []


def test_what_a_model_cannot_do_is_refused_when_it_is_added(client: httpx.Client, batch_id: str) -> None:
    odd = row("odd", "video_generation", model="grok-imagine-video", resolution="1080p")
    clip = {"video": {"file_id": "file_none"}}
    more = row("more", "video_extension", model="grok-imagine-video-1.5", **clip)
    for bad, word in ((odd, "1080p video resolution"), (more, "Video extension is not supported for this model.")):
        answer = add(client, batch_id, row("good"), bad)
        assert (answer.status_code, word in answer.json()["error"]) == (400, True)
    assert counts(client, batch_id)[0] == 0


def test_results_end_with_their_batch_and_the_counters_stay(
    sandbox: Sandbox, client: httpx.Client, batch_id: str
) -> None:
    fill(client, batch_id, row("a"))
    sandbox.clock.advance(86_399)
    assert list(results(client, batch_id)) == ["a"]
    sandbox.clock.advance(1)
    gone = client.get(f"/batches/{batch_id}/results")
    assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
    assert counts(client, batch_id) == (1, 0, 1, 0, 0)


@pytest.mark.parametrize("how", [{"json": {}}, {}, {"content": b"", "headers": {"content-type": ""}}])
def test_cancelling_ends_what_is_pending_and_keeps_what_is_done(
    sandbox: Sandbox, client: httpx.Client, batch_id: str, how: dict[str, Any]
) -> None:
    fill(client, batch_id, *(row(name) for name in "abcd"))
    sandbox.clock.advance(1)
    batch = client.post(f"/batches/{batch_id}:cancel", **how).json()
    assert batch["cancel_time"]
    sandbox.clock.advance(10)
    assert counts(client, batch_id) == (4, 0, 1, 0, 3)
    assert len(results(client, batch_id)) == 1
    assert sandbox.ledger.total_ticks == IMAGE_TICKS
    refused = add(client, batch_id, row("e"))
    assert (refused.status_code, "cancelled" in refused.text) == (400, True)


def test_cancelling_twice_and_after_the_end_is_harmless(sandbox: Sandbox, client: httpx.Client, batch_id: str) -> None:
    fill(client, batch_id, row("a"))
    sandbox.clock.advance(4)
    first, second = (client.post(f"/batches/{batch_id}:cancel") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json()["cancel_time"] == second.json()["cancel_time"]
    assert counts(client, batch_id) == (1, 0, 1, 0, 0)
    assert client.post("/batches/batch_none:cancel").status_code == 404


def test_every_request_is_billed_when_it_ends_and_the_batch_adds_up(
    sandbox: Sandbox, client: httpx.Client, batch_id: str
) -> None:
    fill(client, batch_id, row("a"), row("b", n=2), row("c"))
    sandbox.clock.advance(4)
    for _ in range(2):
        breakdown = client.get(f"/batches/{batch_id}").json()["cost_breakdown"]
    charges = {charge["id"]: charge["ticks"] for charge in sandbox.ledger.charges}
    assert charges == {"a": IMAGE_TICKS, "b": 2 * IMAGE_TICKS, "c": IMAGE_TICKS}
    assert breakdown["total_cost_usd_ticks"] == sandbox.ledger.total_ticks == 4 * IMAGE_TICKS
    assert breakdown["endpoint_costs"] == [
        {"endpoint": "xai_api.Image/GenerateImage", "cost_usd_ticks": 4 * IMAGE_TICKS, "request_count": 3}
    ]


@pytest.fixture(scope="module")
def meagre() -> Iterator[tuple[Sandbox, httpx.Client]]:
    """A sandbox whose batches store nothing, take two days, and whose calls are limited."""
    with (
        Sandbox(seed=1, batch_storage=False, batch_seconds=2 * 86_400, rate_limits=True, strict=True) as sandbox,
        httpx.Client(
            base_url=sandbox.url, headers={"authorization": f"Bearer {sandbox.api_key}"}, verify=False, timeout=30
        ) as client,
    ):
        sandbox.clock.rate = 0
        yield sandbox, client


def test_what_has_not_ended_fails_with_its_batch(meagre: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = meagre
    sandbox.clock.advance(2)
    batch_id = create(client)
    fill(client, batch_id, *(row(name) for name in "abcd"))
    sandbox.clock.advance(86_399)
    assert counts(client, batch_id) == (4, 3, 1, 0, 0)
    sandbox.clock.advance(1)
    assert counts(client, batch_id) == (4, 0, 2, 2, 0)
    listed = client.get(f"/batches/{batch_id}/requests").json()["batch_request_metadata"]
    assert sorted(one["state"] for one in listed) == ["failed", "failed", "succeeded", "succeeded"]
    assert client.get(f"/batches/{batch_id}/results").status_code == 404
    assert add(client, batch_id, row("e")).status_code == 400


def test_batches_may_ignore_storage_options(meagre: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = meagre
    sandbox.clock.advance(2)
    batch_id = create(client)
    fill(client, batch_id, *(row(name, storage_options={"filename": "a.jpg"}) for name in "abcd"))
    sandbox.clock.advance(86_399)
    (done,) = [one for one in results(client, batch_id).values() if "response" in one["batch_result"]]
    assert "file_output" not in picture_of(done)
    assert client.get("/files").json()["data"] == []


def test_calls_are_limited_where_that_is_enabled(meagre: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = meagre
    sandbox.clock.advance(2)
    statuses = [client.post("/batches", json={"name": "x"}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    sandbox.clock.advance(1)
    assert client.post("/batches", json={"name": "x"}).status_code == 200


def test_a_strict_sandbox_refuses_an_unknown_field_in_a_request(meagre: tuple[Sandbox, httpx.Client]) -> None:
    sandbox, client = meagre
    sandbox.clock.advance(2)
    answer = add(client, create(client), row("a", colour="red"))
    assert (answer.status_code, "colour" in answer.text) == (400, True)


def test_a_running_batch_survives_a_restart(tmp_path: Any) -> None:
    for begun in (False, True):
        with (
            Sandbox(seed=1, data=tmp_path) as sandbox,
            httpx.Client(
                base_url=sandbox.url, headers={"authorization": f"Bearer {sandbox.api_key}"}, verify=False
            ) as client,
        ):
            sandbox.clock.rate = 0
            if not begun:
                batch_id = create(client)
                fill(client, batch_id, *(row(name, storage_options={"filename": "x.jpg"}) for name in "ab"))
                sandbox.clock.advance(2)
                kept = picture_of(next(iter(results(client, batch_id).values())))["file_output"]["file_id"]
                continue
            sandbox.clock.advance(2)
            assert counts(client, batch_id) == (2, 0, 2, 0, 0)
            assert client.get(f"/files/{kept}/content").content[:2] == b"\xff\xd8"


def test_a_request_that_is_due_before_it_began_does_not_wait_for_itself() -> None:
    with (
        Sandbox(seed=1, batch_seconds=0) as sandbox,
        httpx.Client(
            base_url=sandbox.url, headers={"authorization": f"Bearer {sandbox.api_key}"}, verify=False
        ) as client,
    ):
        batch_id = create(client)
        fill(client, batch_id, *(row(name, "image_edit", image={"file_id": "file_none"}) for name in "abc"))
        assert counts(client, batch_id) == (3, 0, 0, 3, 0)
