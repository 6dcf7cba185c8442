"""Images: made at once or later, stored, linked, billed once."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from airflow_provider_grok.sandbox.server import Sandbox

Upload = Callable[..., str]
BIKE = {"prompt": "a red bicycle", "model": "grok-imagine-image"}
LOW, HIGH_2K, INPUT = 400_000_000, 800_000_000, 100_000_000


def generate(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/images/generations", json=BIKE | fields)


def edit(client: httpx.Client, file_id: str, **fields: Any) -> httpx.Response:
    body = {"prompt": "make it blue", "model": "grok-imagine-image-2.0", "image": {"file_id": file_id}}
    return client.post("/images/edits", json=body | fields)


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        return picture.width, picture.height


def test_a_generation_is_answered_at_once_with_a_link(client: httpx.Client, passer_by: httpx.Client) -> None:
    answer = generate(client).json()
    assert answer["usage"] == {"cost_in_usd_ticks": 200_000_000}
    [image] = answer["data"]
    assert (image["mime_type"], image["respect_moderation"]) == ("image/jpeg", True)
    assert size_of(passer_by.get(image["url"]).content)
    assert "file_output" not in image


def test_an_edit_of_one_source_keeps_its_shape(client: httpx.Client, passer_by: httpx.Client, upload: Upload) -> None:
    answer = edit(client, upload(), aspect_ratio="1:2").json()
    assert size_of(passer_by.get(answer["data"][0]["url"]).content) == (96, 64)


def test_a_higher_resolution_of_an_edit_makes_more_pixels_in_the_same_shape(
    client: httpx.Client, passer_by: httpx.Client, upload: Upload
) -> None:
    answer = edit(client, upload(), resolution="2k").json()
    across, down = size_of(passer_by.get(answer["data"][0]["url"]).content)
    assert across / down == pytest.approx(96 / 64, abs=0.01)
    assert across * down == pytest.approx(4 * 2**20, rel=0.02)


def test_an_edit_of_several_sources_follows_the_asked_ratio(
    client: httpx.Client, passer_by: httpx.Client, upload: Upload
) -> None:
    sources = [{"file_id": upload()}, {"file_id": upload()}]
    body = {"prompt": "both", "images": sources, "aspect_ratio": "2:1", "model": "grok-imagine-image-2.0"}
    answer = client.post("/images/edits", json=body).json()
    width, height = size_of(passer_by.get(answer["data"][0]["url"]).content)
    assert width == pytest.approx(2 * height, rel=0.05)
    assert answer["usage"]["cost_in_usd_ticks"] == 600_000_000 + 2 * INPUT


@pytest.mark.parametrize(
    ("fields", "ticks"),
    [
        ({}, LOW),
        ({"n": 3}, 3 * LOW),
        ({"resolution": "2k"}, 600_000_000),
        ({"quality": "auto"}, LOW),
        ({"quality": "medium"}, 600_000_000),
        ({"quality": "medium", "resolution": "2k"}, HIGH_2K),
        ({"model": "grok-imagine-image"}, 200_000_000),
        ({"model": "grok-imagine-image", "resolution": "2k"}, 200_000_000),
        ({"model": "grok-imagine-image-quality", "quality": "medium"}, LOW),
    ],
)
def test_a_generation_costs_what_the_price_list_says(
    sandbox: Sandbox, client: httpx.Client, fields: dict[str, Any], ticks: int
) -> None:
    answer = generate(client, **({"model": "grok-imagine-image-2.0"} | fields))
    assert answer.json()["usage"]["cost_in_usd_ticks"] == ticks == sandbox.ledger.total_ticks


def test_a_charge_names_endpoint_model_and_request(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    answer = edit(client, upload(), quality="low")
    [charge] = sandbox.ledger.charges
    assert charge.pop("at") == pytest.approx(sandbox.clock.now(), abs=5)
    assert charge == {
        "endpoint": "/v1/images/edits",
        "model": "grok-imagine-image-2.0",
        "ticks": LOW + INPUT,
        "id": answer.headers["x-request-id"],
    }


def test_every_image_of_a_request_is_a_file_of_the_same_name(client: httpx.Client) -> None:
    options = {"filename": "hero.jpg", "expires_after": 7200, "public_url": {"expires_after": 3600}}
    images = generate(client, n=3, storage_options=options).json()["data"]
    outputs = [image["file_output"] for image in images]
    assert {output["filename"] for output in outputs} == {"hero.jpg"}
    assert len({output["file_id"] for output in outputs}) == len({image["url"] for image in images}) == 3
    file = client.get(f"/files/{outputs[0]['file_id']}").json()
    assert file["public_url"] == outputs[0]["public_url"]
    assert file["expires_at"] == outputs[0]["expires_at"] == file["created_at"] + 7200
    assert outputs[0]["public_url_expires_at"] == file["created_at"] + 3600


def test_a_picture_may_come_as_text_and_be_stored_too(client: httpx.Client) -> None:
    answer = generate(client, response_format="b64_json", storage_options={"filename": "a.jpg"}).json()
    [image] = answer["data"]
    content = client.get(f"/files/{image['file_output']['file_id']}/content").content
    assert base64.b64decode(image["b64_json"]) == content
    assert "url" not in image


def test_a_deferred_image_is_pending_then_done_and_billed_when_accepted(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.clock.rate = 0
    accepted = generate(client, deferred=True, storage_options={"filename": "later.jpg"})
    request_id = accepted.json()["request_id"]
    assert accepted.json() == {"request_id": request_id}
    assert [charge["id"] for charge in sandbox.ledger.charges] == [request_id]
    pending = client.get(f"/images/{request_id}")
    assert (pending.status_code, pending.json()) == (202, {"request_id": request_id, "status": "pending"})
    assert client.get("/files").json()["data"] == []
    sandbox.clock.advance(0.5)
    done = client.get(f"/images/{request_id}")
    assert (done.status_code, done.json()["status"]) == (200, "done")
    assert done.json() == client.get(f"/images/{request_id}").json()
    assert done.json()["data"][0]["file_output"]["filename"] == "later.jpg"
    assert len(sandbox.ledger.charges) == 1


def test_a_deferred_image_is_stored_even_if_nobody_polls(sandbox: Sandbox, client: httpx.Client) -> None:
    generate(client, deferred=True, storage_options={"filename": "later.jpg"})
    sandbox.clock.advance(60)
    assert [file["filename"] for file in client.get("/files").json()["data"]] == ["later.jpg"]


def test_a_result_is_forgotten_after_a_day(sandbox: Sandbox, client: httpx.Client) -> None:
    request_id = generate(client, deferred=True).json()["request_id"]
    sandbox.clock.advance(1)
    assert client.get(f"/images/{request_id}").status_code == 200
    sandbox.clock.advance(86_400)
    for unknown in (request_id, "nonsense"):
        assert client.get(f"/images/{unknown}").status_code == 404


def test_a_link_dies_after_a_day(sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client) -> None:
    link = generate(client).json()["data"][0]["url"]
    sandbox.clock.advance(86_390)
    assert passer_by.get(link).status_code == 200
    sandbox.clock.advance(20)
    assert passer_by.get(link).status_code == 404


def test_a_moderated_image_is_a_400_and_billed(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"path": "/v1/images/*", "action": {"moderate": True}})
    refused = generate(client, storage_options={"filename": "a.jpg"})
    assert refused.status_code == 400
    assert refused.json() == {
        "code": "imagine:content-moderated",
        "error": "Generated image rejected by content moderation.",
        "usage": {"cost_in_usd_ticks": 200_000_000},
    }
    assert sandbox.ledger.total_ticks == 200_000_000
    assert client.get("/files").json()["data"] == []


def test_moderation_may_also_come_in_its_older_form(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"path": "/v1/images/*", "action": {"moderate": "legacy"}})
    refused = generate(client)
    assert (refused.status_code, refused.json()["code"]) == (400, "Client specified an invalid argument")
    assert refused.json()["usage"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks == 200_000_000


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("grok-imagine-image-2026-03-02", "grok-imagine-image"),
        ("grok-imagine-image-quality-20260403", "grok-imagine-image-2.0"),
        ("grok-imagine-image-quality-latest", "grok-imagine-image-2.0"),
    ],
)
def test_a_dated_name_is_served_by_its_model(sandbox: Sandbox, client: httpx.Client, name: str, model: str) -> None:
    assert generate(client, model=name).status_code == 200
    assert sandbox.ledger.charges[-1]["model"] == model


def test_a_moderated_image_may_come_as_a_placeholder(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"action": {"moderate": "placeholder"}})
    sandbox.faults.add({"action": {"moderate": [1]}})
    assert generate(client).json()["data"][0]["respect_moderation"] is False
    images = generate(client, n=2, storage_options={"filename": "a.jpg"}).json()["data"]
    assert [image["respect_moderation"] for image in images] == [True, False]
    assert [("file_output" in image) for image in images] == [True, False]


def test_a_moderated_deferred_image_fails_and_is_billed(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"method": "POST", "action": {"moderate": True}})
    request_id = generate(client, deferred=True).json()["request_id"]
    sandbox.clock.advance(1)
    failed = client.get(f"/images/{request_id}")
    assert (failed.status_code, failed.json()["status"]) == (200, "failed")
    assert failed.json()["error"] == {"code": "invalid_argument", "message": "Rejected by content moderation."}
    assert failed.json()["usage"]["cost_in_usd_ticks"] == 200_000_000 == sandbox.ledger.total_ticks


def test_a_job_that_fails_inside_is_not_billed(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"method": "POST", "times": 2, "action": {"fail": "internal_error"}})
    request_id = generate(client, deferred=True).json()["request_id"]
    at_once = generate(client)
    sandbox.clock.advance(1)
    assert client.get(f"/images/{request_id}").json()["error"]["code"] == "internal_error"
    assert (at_once.status_code, at_once.json()["code"]) == (500, "internal_error")
    assert sandbox.ledger.charges == []


def test_a_result_that_is_not_stored_still_has_its_link(
    sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client
) -> None:
    sandbox.faults.add({"action": {"storage_error": True}})
    [image] = generate(client, storage_options={"filename": "a.jpg"}).json()["data"]
    assert image["storage_error"] == "Failed to store the file."
    assert "file_output" not in image
    assert passer_by.get(image["url"]).status_code == 200


def test_a_link_that_is_not_made_leaves_the_file(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults.add({"action": {"public_url_error": True}})
    [image] = generate(client, storage_options={"filename": "a.jpg", "public_url": True}).json()["data"]
    output = image["file_output"]
    assert "public_url" not in output
    assert "stored successfully" in output["public_url_error"]
    assert client.post(f"/files/{output['file_id']}/public-url").status_code == 200


def test_a_full_quota_leaves_the_files(client: httpx.Client) -> None:
    images = generate(client, n=4, storage_options={"filename": "a.jpg", "public_url": True}).json()["data"]
    outputs = [image["file_output"] for image in images]
    assert [("public_url" in output) for output in outputs] == [True, True, True, False]
    assert "quota" in outputs[3]["public_url_error"]


def test_equal_requests_of_equal_seeds_give_equal_pictures(
    connect: Callable[[Sandbox], httpx.Client],
) -> None:
    pictures = []
    for _ in range(2):
        with Sandbox(seed=3) as other:
            pictures.append(generate(connect(other), response_format="b64_json").json()["data"][0]["b64_json"])
    assert pictures[0] == pictures[1]
