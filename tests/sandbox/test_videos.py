"""Videos: every mode, what models refuse, the poll in all its forms, what is billed."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import av
import httpx
import pytest

from airflow_provider_grok.sandbox import film
from airflow_provider_grok.sandbox.server import Sandbox

VIDEO_1, VIDEO_15, VIDEO_LITE = "grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"
Upload = Callable[..., str]


@pytest.fixture(scope="module")
def clip() -> bytes:
    return film.make(seconds=2, size=(160, 90), prompt="waves", seed=1)


@pytest.fixture
def clip_id(upload: Upload, clip: bytes) -> str:
    return upload("waves.mp4", clip, "video/mp4")


def start(client: httpx.Client, kind: str = "generations", **body: Any) -> str:
    answer = client.post(f"/videos/{kind}", json=body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"request_id"}
    return str(answer.json()["request_id"])


def finish(sandbox: Sandbox, client: httpx.Client, kind: str = "generations", **body: Any) -> dict[str, Any]:
    request_id = start(client, kind, **body)
    sandbox.clock.advance(4)
    answer = client.get(f"/videos/{request_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refusal(client: httpx.Client, kind: str = "generations", **body: Any) -> tuple[int, str]:
    answer = client.post(f"/videos/{kind}", json=body)
    return answer.status_code, answer.text


def order(sandbox: Sandbox, action: dict[str, Any], method: str = "POST", path: str = "/v1/videos/*") -> None:
    sandbox.faults.add({"method": method, "path": path, "action": action})


def test_progress_rises_with_the_clock_until_the_video_is_done(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.clock.rate = 0
    request_id = start(client, prompt="waves", model=VIDEO_15, duration=1)
    seen = []
    for _ in range(4):
        answer = client.get(f"/videos/{request_id}")
        assert answer.status_code == 202
        seen.append(answer.json()["progress"])
        sandbox.clock.advance(1)
    assert seen == [0, 25, 50, 75]
    done = client.get(f"/videos/{request_id}")
    assert done.status_code == 200
    assert (done.json()["status"], done.json()["progress"], done.json()["model"]) == ("done", 100, VIDEO_15)


def test_a_text_becomes_a_real_video_of_the_asked_length_and_ratio(sandbox: Sandbox, client: httpx.Client) -> None:
    done = finish(sandbox, client, prompt="waves", model=VIDEO_LITE, duration=2, aspect_ratio="9:16")
    assert done["video"]["duration"] == 2
    assert done["video"]["respect_moderation"] is True
    link = httpx.get(done["video"]["url"])
    assert link.headers["content-type"] == "video/mp4"
    assert film.probe(link.content) == (2.0, (480, 854))


def test_a_finished_video_is_stored_and_shared_as_asked(sandbox: Sandbox, client: httpx.Client) -> None:
    options = {"filename": "shot.mp4", "expires_after": 86_400, "public_url": {"expires_after": 7_200}}
    done = finish(sandbox, client, prompt="waves", duration=1, storage_options=options)
    kept = done["video"]["file_output"]
    file = client.get(f"/files/{kept['file_id']}").json()
    assert (file["filename"], file["expires_at"]) == ("shot.mp4", kept["expires_at"])
    assert kept["public_url_expires_at"] == pytest.approx(file["created_at"] + 7_200, abs=1)
    stored = client.get(f"/files/{kept['file_id']}/content").content
    assert stored == httpx.get(kept["public_url"]).content == httpx.get(done["video"]["url"]).content
    assert len(stored) == file["bytes"]


def test_nothing_is_stored_before_the_video_is_done(sandbox: Sandbox, client: httpx.Client) -> None:
    start(client, prompt="waves", duration=1, storage_options={"filename": "shot.mp4"})
    assert client.get("/files").json()["data"] == []
    sandbox.clock.advance(4)
    assert [file["filename"] for file in client.get("/files").json()["data"]] == ["shot.mp4"]


@pytest.mark.parametrize("field", ["image", "input_reference"])
def test_a_first_picture_gives_the_video_its_ratio(
    sandbox: Sandbox, client: httpx.Client, upload: Upload, field: str
) -> None:
    given: dict[str, Any] = {field: {"file_id": upload()}}
    done = finish(sandbox, client, "generations", model=VIDEO_1, duration=1, aspect_ratio="9:16", **given)
    assert film.probe(httpx.get(done["video"]["url"]).content)[1] == (720, 480)


@pytest.mark.parametrize("length", [{"duration": 3}, {"duration": "3"}, {"seconds": 3}, {"seconds": "3"}])
def test_a_length_may_be_a_number_or_text_under_two_names(
    sandbox: Sandbox, client: httpx.Client, length: dict[str, Any]
) -> None:
    assert finish(sandbox, client, prompt="waves", **length)["video"]["duration"] == 3


@pytest.mark.parametrize("field", ["keyframes", "reference_audios"])
def test_an_empty_list_of_extras_is_none(sandbox: Sandbox, client: httpx.Client, field: str) -> None:
    extras: dict[str, Any] = {field: []}
    assert finish(sandbox, client, prompt="waves", duration=1, **extras)["video"]["url"]


def test_a_video_may_come_without_sound(sandbox: Sandbox, client: httpx.Client) -> None:
    done = finish(sandbox, client, prompt="waves", duration=1, generate_audio=False)
    with av.open(io.BytesIO(httpx.get(done["video"]["url"]).content)) as container:
        assert len(container.streams.audio) == 0


def test_frames_references_and_audios_are_taken(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    source = {"file_id": upload()}
    done = finish(
        sandbox,
        client,
        prompt="from here to there",
        model=VIDEO_15,
        duration=2,
        image=source,
        last_frame=source,
        keyframes=[{"image": source, "timestamp_s": 1.1}],
        reference_images=[source, source],
        reference_audios=[{"voice_id": "eve"}],
    )
    assert done["status"] == "done"
    assert done["usage"]["cost_in_usd_ticks"] == 2 * 800_000_000 + 5 * 100_000_000


def test_an_edit_keeps_length_and_ratio(sandbox: Sandbox, client: httpx.Client, clip: bytes, clip_id: str) -> None:
    done = finish(sandbox, client, "edits", prompt="make it snow", model=VIDEO_1, video={"file_id": clip_id})
    edited = httpx.get(done["video"]["url"]).content
    assert film.probe(edited) == film.probe(clip) == (2.0, (160, 90))
    assert film.captions(edited) == ["waves", "make it snow"]
    assert done["usage"]["cost_in_usd_ticks"] == 2 * 500_000_000 + 2 * 100_000_000


def test_an_extension_holds_both_parts(sandbox: Sandbox, client: httpx.Client, clip: bytes) -> None:
    data = f"data:video/mp4;base64,{base64.b64encode(clip).decode()}"
    done = finish(sandbox, client, "extensions", prompt="go on", video={"url": data}, duration=3)
    assert done["video"]["duration"] == 5
    assert film.probe(httpx.get(done["video"]["url"]).content) == (5.0, (160, 90))
    assert done["usage"]["cost_in_usd_ticks"] == 3 * 500_000_000 + 2 * 100_000_000


def test_a_video_can_be_edited_by_its_own_link(sandbox: Sandbox, client: httpx.Client) -> None:
    made = finish(sandbox, client, prompt="waves", duration=1)
    done = finish(sandbox, client, "edits", prompt="blue", video={"url": made["video"]["url"]})
    assert done["status"] == "done"


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (VIDEO_1, {"resolution": "1080p"}),
        (VIDEO_1, {"last_frame": True}),
        (VIDEO_1, {"keyframes": True}),
        (VIDEO_1, {"image": True, "reference_images": True}),
        (VIDEO_1, {"reference_images": True, "duration": 11}),
        (VIDEO_15, {"reference_images": True, "resolution": "1080p"}),
        (VIDEO_LITE, {"reference_images": True}),
        (VIDEO_LITE, {"last_frame": True}),
        (VIDEO_LITE, {"reference_audios": [{"voice_id": "eve"}]}),
    ],
)
def test_what_a_model_cannot_do_fails_unbilled(
    sandbox: Sandbox, client: httpx.Client, upload: Upload, model: str, body: dict[str, Any]
) -> None:
    source = {"file_id": upload()}
    shapes = {"keyframes": [{"image": source, "timestamp_s": 1}], "reference_images": [source]}
    filled: dict[str, Any] = {key: shapes.get(key, source) if value is True else value for key, value in body.items()}
    failed = finish(sandbox, client, "generations", prompt="x", model=model, **filled)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "failed_precondition")
    assert "video" not in failed
    assert sandbox.ledger.total_ticks == 0


def test_only_the_first_model_edits(sandbox: Sandbox, client: httpx.Client, clip_id: str) -> None:
    failed = finish(sandbox, client, "edits", prompt="x", model=VIDEO_15, video={"file_id": clip_id})
    assert failed["error"]["code"] == "failed_precondition"


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"prompt": " "}, 400, "prompt"),
        ({"prompt": "x", "duration": 0}, 400, "between 1 and 15"),
        ({"prompt": "x", "duration": 16}, 400, "between 1 and 15"),
        ({"prompt": "x", "duration": "soon"}, 400, "whole number"),
        ({"prompt": "x", "duration": "9" * 5000}, 400, "whole number"),
        ({"prompt": "x", "duration": 1.5}, 422, "duration"),
        ({"prompt": "x", "resolution": "2k"}, 400, "480p, 720p, 1080p"),
        ({"prompt": "x", "aspect_ratio": "9:20"}, 400, "aspect_ratio"),
        ({"prompt": "x", "model": "grok-imagine-image"}, 404, "does not exist"),
        ({"prompt": "x", "seed": 4}, 400, "Argument not supported: seed"),
        ({"prompt": "x", "image": "https://example.com/a.png"}, 422, "image"),
        ({"prompt": "x", "image": {}}, 400, "url or a file_id"),
        ({"prompt": "x", "image": {"file_id": "file_none"}}, 404, "file_none"),
        ({"prompt": "x", "keyframes": [{"image": {"url": "data:,"}, "timestamp_s": 8}]}, 400, "timestamp_s"),
        ({"prompt": "x", "reference_images": []}, 400, "1 to 7"),
        ({"prompt": "x", "reference_audios": [{}]}, 400, "voice_id"),
        ({"prompt": "x", "storage_options": {"filename": "a.mp4", "expires_after": 60}}, 400, "expires_after"),
        ({"prompt": "x", "output": {"upload_url": "ftp://bucket"}}, 400, "upload_url"),
    ],
)
def test_a_bad_generation_is_refused_and_costs_nothing(
    sandbox: Sandbox, client: httpx.Client, body: dict[str, Any], status: int, word: str
) -> None:
    code, text = refusal(client, **body)
    assert code == status
    assert word in text
    assert sandbox.ledger.charges == []


@pytest.mark.parametrize(
    ("kind", "extra", "status"),
    [
        ("edits", {"duration": 3}, 400),
        ("edits", {"aspect_ratio": "1:1"}, 400),
        ("edits", {"resolution": "720p"}, 400),
        ("edits", {"prompt": None}, 422),
        ("extensions", {"duration": 11}, 400),
        ("extensions", {"user": "me"}, 400),
    ],
)
def test_a_bad_edit_or_extension_is_refused(
    client: httpx.Client, clip_id: str, kind: str, extra: dict[str, Any], status: int
) -> None:
    assert refusal(client, kind, **{"prompt": "x", "video": {"file_id": clip_id}, **extra})[0] == status


@pytest.mark.parametrize(("kind", "seconds", "word"), [("edits", 9, "8.7"), ("extensions", 1, "2 to 15")])
def test_a_clip_of_the_wrong_length_is_refused(
    client: httpx.Client, upload: Upload, kind: str, seconds: int, word: str
) -> None:
    data = film.make(seconds=seconds, size=(64, 64), prompt="", seed=1, audio=False)
    status, text = refusal(client, kind, prompt="x", video={"file_id": upload("clip.mp4", data, "video/mp4")})
    assert status == 400
    assert word in text


def test_a_picture_is_no_clip(client: httpx.Client, upload: Upload) -> None:
    status, text = refusal(client, "edits", prompt="x", video={"file_id": upload()})
    assert (status, "readable MP4" in text) == (400, True)


def test_an_unknown_request_is_a_404(client: httpx.Client) -> None:
    assert client.get("/videos/nothing").status_code == 404


def test_a_link_dies_after_a_day_and_the_stored_file_lives_on(sandbox: Sandbox, client: httpx.Client) -> None:
    done = finish(sandbox, client, prompt="waves", duration=1, storage_options={"filename": "a.mp4"})
    sandbox.clock.advance(86_400)
    assert httpx.get(done["video"]["url"]).status_code == 404
    assert client.get(f"/files/{done['video']['file_output']['file_id']}").status_code == 200


def test_moderation_fails_the_job_and_is_billed(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, {"moderate": True})
    failed = finish(sandbox, client, prompt="x", model=VIDEO_1, duration=1)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "invalid_argument")
    assert sandbox.ledger.total_ticks == 500_000_000


def test_moderation_may_also_end_with_an_empty_link(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, {"moderate": "placeholder"})
    done = finish(sandbox, client, prompt="x", duration=1, storage_options={"filename": "a.mp4"})
    assert done["status"] == "done"
    assert done["video"] == {"duration": 1, "respect_moderation": False, "url": ""}
    assert client.get("/files").json()["data"] == []


@pytest.mark.parametrize(("form", "status"), [("poll", 400), ("bare", 200)])
def test_moderation_may_also_show_as_an_error_at_the_poll(
    sandbox: Sandbox, client: httpx.Client, form: str, status: int
) -> None:
    order(sandbox, {"moderate": form})
    request_id = start(client, prompt="x", duration=1)
    assert client.get(f"/videos/{request_id}").status_code == 202
    sandbox.clock.advance(4)
    answer = client.get(f"/videos/{request_id}")
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "error"}


def test_a_job_can_be_made_to_fail_unbilled(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, {"fail": "service_unavailable"})
    failed = finish(sandbox, client, prompt="x", duration=1)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "service_unavailable")
    assert sandbox.ledger.charges == []


def test_a_poll_may_answer_202_with_nothing(sandbox: Sandbox, client: httpx.Client) -> None:
    request_id = start(client, prompt="x", duration=1)
    order(sandbox, {"status": 202, "body": ""}, "GET")
    empty, pending = (client.get(f"/videos/{request_id}") for _ in range(2))
    assert (empty.status_code, empty.content) == (202, b"")
    assert pending.json()["status"] == "pending"


def test_storing_can_fail_while_the_link_still_works(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, {"storage_error": True})
    video = finish(sandbox, client, prompt="x", duration=1, storage_options={"filename": "a.mp4"})["video"]
    assert video["storage_error"]
    assert "file_output" not in video
    assert httpx.get(video["url"]).status_code == 200


def test_every_accepted_request_is_billed_once(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    request_id = start(
        client, prompt="x", model=f"{VIDEO_15}-preview", duration=6, resolution="720p", image={"file_id": upload()}
    )
    sandbox.clock.advance(4)
    for _ in range(3):
        client.get(f"/videos/{request_id}")
    (charge,) = sandbox.ledger.charges
    assert charge["ticks"] == 8_500_000_000
    assert (charge["endpoint"], charge["model"], charge["id"]) == ("/v1/videos/generations", VIDEO_15, request_id)
