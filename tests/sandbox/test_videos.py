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
from airflow_provider_grok.sandbox.video_requests import VOICES

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


R2V_1080P = "1080p video resolution is not supported for reference-to-video requests."
R2V_TOO_LONG = "Duration {}s exceeds the maximum allowed for reference-to-video, which is {}s."


@pytest.mark.parametrize(
    ("model", "body", "words"),
    [
        (VIDEO_1, {"resolution": "1080p"}, "1080p video resolution is not supported for this model."),
        (VIDEO_1, {"last_frame": True}, "`last_frame` is not supported for this model."),
        (VIDEO_1, {"keyframes": True}, "`keyframes` is not supported for this model."),
        (VIDEO_1, {"image": True, "reference_images": True}, "`image` together with `reference_images`"),
        (VIDEO_1, {"reference_images": True, "duration": 11}, R2V_TOO_LONG.format(11, 10)),
        (VIDEO_1, {"reference_audios": True}, "`reference_audios` is not supported for this model."),
        (VIDEO_15, {"reference_images": True, "resolution": "1080p"}, R2V_1080P),
        (VIDEO_15, {"reference_audios": True, "resolution": "1080p"}, R2V_1080P),
        (VIDEO_15, {"image": True, "last_frame": True, "resolution": "1080p"}, R2V_1080P),
        (VIDEO_15, {"reference_images": True, "duration": 16}, R2V_TOO_LONG.format(16, 15)),
        (VIDEO_LITE, {"reference_images": True}, "`reference_images` is not supported for this model."),
        (VIDEO_LITE, {"last_frame": True}, "`last_frame` is not supported for this model."),
        (VIDEO_LITE, {"reference_audios": True}, "`reference_audios` is not supported for this model."),
    ],
)
def test_what_a_model_cannot_do_is_refused_at_once_and_unbilled(
    sandbox: Sandbox, client: httpx.Client, upload: Upload, model: str, body: dict[str, Any], words: str
) -> None:
    source = {"file_id": upload()}
    shapes = {
        "keyframes": [{"image": source, "timestamp_s": 1}],
        "reference_images": [source],
        "reference_audios": [{"voice_id": "eve"}],
    }
    filled: dict[str, Any] = {key: shapes.get(key, source) if value is True else value for key, value in body.items()}
    refused = client.post("/videos/generations", json={"prompt": "x", "model": model, **filled})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-argument")
    assert words in refused.json()["error"]
    assert sandbox.ledger.charges == []


def test_only_the_first_model_edits_and_extends(client: httpx.Client, clip_id: str) -> None:
    for kind, words in (("edits", "Video editing"), ("extensions", "Video extension")):
        status, text = refusal(client, kind, prompt="x", model=VIDEO_15, video={"file_id": clip_id})
        assert (status, f"{words} is not supported for this model." in text) == (400, True)


def test_a_first_frame_alone_may_be_1080p_and_a_last_frame_needs_no_prompt(
    client: httpx.Client, upload: Upload
) -> None:
    source = {"file_id": upload()}
    start(client, model=VIDEO_15, image=source, resolution="1080p", duration=1)
    start(client, model=VIDEO_15, last_frame=source, duration=1)


def test_fourteen_references_are_taken_and_a_fifteenth_is_not(client: httpx.Client, upload: Upload) -> None:
    source = {"file_id": upload()}
    for model in (VIDEO_1, VIDEO_15):
        start(client, prompt="x", model=model, duration=1, reference_images=[source] * 14)
        status, text = refusal(client, prompt="x", model=model, reference_images=[source] * 15)
        assert (status, "Too many reference images: 15. Maximum allowed is 14." in text) == (400, True)


def test_there_are_26_voices() -> None:
    assert len(VOICES) == len(set(VOICES)) == 26


def test_a_voice_is_one_of_the_presets_or_of_the_team(connect: Callable[[Sandbox], httpx.Client]) -> None:
    with Sandbox(custom_voices=["v-mine"], strict=True) as own:
        client = connect(own)
        for voice in ("ara", "atlas", "v-mine"):
            start(client, prompt="x", duration=1, reference_audios=[{"voice_id": voice}])
        status, text = refusal(client, prompt="x", reference_audios=[{"voice_id": "aurora"}])
        assert status == 400
        assert "aurora" in text and "ara, eve, leo" in text and "naksh, atlas" in text
        status, text = refusal(client, prompt="x", reference_audios=[{"voice_id": "eve"}] * 4)
        assert (status, "Too many reference audio clips: 4. Maximum allowed is 3." in text) == (400, True)


def test_the_length_of_an_edit_is_the_clips_own_whatever_is_asked(
    sandbox: Sandbox, client: httpx.Client, clip_id: str
) -> None:
    asked = {"duration": 9, "resolution": "1080p"}
    done = finish(sandbox, client, "edits", prompt="x", video={"file_id": clip_id}, **asked)
    assert done["video"]["duration"] == 2
    assert sandbox.journal[-2]["unknown"] == ["duration", "resolution"]


@pytest.mark.parametrize(("duration", "status"), [(0, 400), (1, 200), (11, 200), (15, 200), (16, 400)])
def test_an_extension_has_one_to_fifteen_seconds(
    client: httpx.Client, clip_id: str, duration: int, status: int
) -> None:
    body = {"prompt": "x", "video": {"file_id": clip_id}, "duration": duration}
    assert refusal(client, "extensions", **body)[0] == status


def test_a_source_picture_of_lite_costs_a_cent(sandbox: Sandbox, client: httpx.Client, upload: Upload) -> None:
    start(client, model=VIDEO_LITE, duration=1, image={"file_id": upload()})
    assert sandbox.ledger.total_ticks == 200_000_000 + 100_000_000


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"prompt": " "}, 400, "prompt"),
        ({"prompt": "x", "duration": 0}, 400, "between 1 and 15"),
        ({"prompt": "x", "duration": 16}, 400, "between 1 and 15"),
        ({"prompt": "x", "duration": "soon"}, 400, "whole number"),
        ({"prompt": "x", "duration": "9" * 5000}, 400, "whole number"),
        ({"prompt": "x", "duration": 1.5}, 422, "duration"),
        ({"prompt": "x", "resolution": "2k"}, 422, "unknown variant `2k`, expected one of `480p`, `720p`, `1080p`"),
        ({"prompt": "x", "aspect_ratio": "auto"}, 422, "aspect_ratio: unknown variant `auto`"),
        ({"prompt": "x", "model": "grok-imagine-image"}, 404, "does not exist"),
        ({"prompt": "x", "seed": 4}, 400, "Argument not supported: seed"),
        ({"prompt": "x", "image": "https://example.com/a.png"}, 422, "image"),
        ({"prompt": "x", "image": {}}, 400, "url or a file_id"),
        ({"prompt": "x", "image": {"file_id": "file_none"}}, 404, "file_none"),
        ({"prompt": "x", "keyframes": [{"image": {"url": "data:,"}, "timestamp_s": 8}]}, 400, "timestamp_s"),
        ({"prompt": "x", "reference_images": []}, 400, "must not be empty"),
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
        ("edits", {"aspect_ratio": "1:1"}, 400),
        ("edits", {"prompt": None}, 422),
        ("extensions", {"duration": 16}, 400),
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


def test_moderation_is_a_400_at_the_poll_and_billed(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, {"moderate": True})
    request_id = start(client, prompt="x", model=VIDEO_1, duration=1)
    assert client.get(f"/videos/{request_id}").status_code == 202
    sandbox.clock.advance(4)
    for _ in range(2):
        answer = client.get(f"/videos/{request_id}")
        assert answer.status_code == 400
        assert answer.json() == {
            "code": "imagine:content-moderated",
            "error": "Generated video rejected by content moderation.",
            "usage": {"cost_in_usd_ticks": 500_000_000},
        }
    assert sandbox.ledger.total_ticks == 500_000_000


def test_moderation_may_also_fail_the_job(sandbox: Sandbox, client: httpx.Client) -> None:
    order(sandbox, {"moderate": "failed"})
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
