"""Videos: what is refused before it is sent, what is sent, and every way in which a job may answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from airflow_provider_grok.api import errors, files, jobs, polling, prices, storage, videos

OLD, NEW, LITE = "grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"


def body(**options: Any) -> dict[str, Any]:
    return videos.generation_body(**{"prompt": "waves", "model": NEW, **options})


def end(carry: Any, accepted: jobs.Accepted) -> jobs.Progress:
    assert accepted.job_id
    progress: jobs.Progress = carry(polling.wait(jobs.Job("video", accepted.job_id, carry.time.now())))
    return progress


def test_what_is_billed_is_always_said() -> None:
    assert body() == {"model": NEW, "prompt": "waves", "duration": 8, "resolution": "480p"}


def test_rendered_text_of_a_number_is_taken() -> None:
    assert body(duration="4")["duration"] == 4


def test_sound_is_mentioned_only_where_it_is_not_wanted() -> None:
    assert "generate_audio" not in body(generate_audio=True)
    assert body(generate_audio=False)["generate_audio"] is False


def test_sources_of_every_kind_are_sent_in_the_apis_form() -> None:
    made = body(
        image="file_1",
        last_frame="https://example.com/a.png",
        keyframes=[{"image": "file_2", "timestamp_s": "2.5"}],
        reference_audios=["eve", "https://example.com/a.mp3", {"voice_id": "leo"}],
        upload_url="https://bucket.example/put",
        params={"seed": 1},
    )
    assert made["image"] == {"file_id": "file_1"}
    assert made["last_frame"] == {"url": "https://example.com/a.png"}
    assert made["keyframes"] == [{"image": {"file_id": "file_2"}, "timestamp_s": 2.5}]
    assert made["reference_audios"] == [{"voice_id": "eve"}, {"url": "https://example.com/a.mp3"}, {"voice_id": "leo"}]
    assert (made["output"], made["seed"]) == ({"upload_url": "https://bucket.example/put"}, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"duration": 0}, "duration=0 is out of bounds: a whole number from 1 to 15"),
        ({"duration": 16}, "duration=16"),
        ({"duration": "8s"}, "duration='8s'"),
        ({"duration": 2.5}, r"duration=2\.5"),
        ({"resolution": "4K"}, "allowed: 480p, 720p, 1080p"),
        ({"aspect_ratio": "wide"}, "aspect_ratio='wide' is not known"),
        (
            {"model": OLD, "resolution": "1080p"},
            "resolution='1080p' is not possible with grok-imagine-video; .*480p, 720p",
        ),
        ({"aspect_ratio": "auto"}, "aspect_ratio='auto' is not known"),
        ({"prompt": None}, "needs a prompt="),
        ({"prompt": " "}, "prompt=' ' must be text"),
        ({"model": OLD, "image": "file_1", "reference_images": ["file_2"]}, "image= with reference_images="),
        ({"model": OLD, "reference_images": ["file_2"], "duration": 11}, "10 s are the most"),
        ({"model": OLD, "last_frame": "file_1"}, "last_frame= is not possible .*grok-imagine-video-1.5"),
        ({"model": OLD, "keyframes": [{"image": "file_1", "timestamp_s": 1}]}, "keyframes="),
        ({"model": LITE, "reference_audios": ["eve"]}, "reference_audios="),
        ({"model": LITE, "reference_images": ["file_1"]}, "reference_images= is not possible"),
        ({"reference_images": ["file_1"], "resolution": "1080p"}, "720p is the most"),
        ({"reference_audios": ["eve"], "resolution": "1080p"}, "with reference_audios= .*720p is the most"),
        (
            {"image": "file_1", "last_frame": "file_2", "resolution": "1080p"},
            "image= and last_frame= .*720p is",
        ),
        ({"model": OLD, "reference_audios": ["eve"]}, "reference_audios= is not possible"),
        ({"prompt": None, "reference_audios": ["eve"]}, "needs a prompt="),
        ({"reference_images": []}, "a list of 1 to 14 elements, and got 0"),
        ({"reference_images": "file_1"}, "got a str"),
        ({"reference_audios": []}, "a list of 1 to 3"),
        ({"reference_audios": ["data:audio/mp3;base64,AA"]}, "upload it first"),
        ({"keyframes": []}, "a list of 1 to 4"),
        ({"keyframes": [{"image": "file_1", "timestamp_s": 0}]}, r"keyframes\[0\]: timestamp_s=0 must lie between"),
        ({"keyframes": [{"image": "file_1", "timestamp_s": 8}]}, "timestamp_s=8"),
        ({"keyframes": [{"image": "file_1"}]}, "must be"),
        ({"keyframes": ["file_1"]}, "must be"),
        ({"image": ["file_1"]}, r"\.expand\(image="),
        ({"image": "a.png"}, "upload it first"),
    ],
)
def test_what_the_api_would_refuse_is_refused_in_words(options: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        body(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"aspect_ratio": "1:2"},
        {"resolution": "1440p"},
        {"reference_images": ["file_1"] * 15},
        {"reference_audios": ["eve"] * 4},
        {"keyframes": [{"image": "file_1", "timestamp_s": 1}] * 5},
    ],
)
def test_what_the_api_may_have_learned_is_sent_with_a_warning(
    caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    ((name, value),) = options.items()
    assert len(body(**options)[name]) == len(value)
    (warning,) = caplog.messages
    assert warning.startswith(f"{name}=")
    assert "sent all the same" in warning


def test_fourteen_references_are_taken_by_both_models_that_take_any(caplog: pytest.LogCaptureFixture) -> None:
    for model in (OLD, NEW):
        assert len(body(model=model, reference_images=["file_1"] * 14)["reference_images"]) == 14
    assert caplog.messages == []


@pytest.mark.parametrize("options", [{"image": "file_1"}, {"last_frame": "file_1"}, {"reference_images": ["file_1"]}])
def test_a_video_may_start_from_a_picture_without_a_prompt(options: dict[str, Any]) -> None:
    assert "prompt" not in body(prompt=None, **options)


def test_a_first_or_last_frame_alone_may_be_made_at_the_full_size() -> None:
    assert body(image="file_1", resolution="1080p")["resolution"] == "1080p"
    assert body(last_frame="file_1", resolution="1080p")["resolution"] == "1080p"


@pytest.mark.parametrize(
    ("voice", "near"), [("Eve", "eve"), ("zenit", "zenith"), ("my-voice-1", None), ("zagan", None)]
)
def test_a_custom_voice_passes_and_a_slip_of_the_pen_is_told(
    caplog: pytest.LogCaptureFixture, voice: str, near: str | None
) -> None:
    assert body(reference_audios=[voice])["reference_audios"] == [{"voice_id": voice}]
    assert [f"the voice {near!r}" in message for message in caplog.messages] == ([True] if near else [])


def test_a_model_that_is_not_known_is_left_to_the_server() -> None:
    made = body(model="grok-imagine-video-3", resolution="1080p", reference_images=["file_1"], last_frame="file_2")
    assert made["model"] == "grok-imagine-video-3"


def test_only_the_oldest_model_edits_and_extends() -> None:
    for model in (NEW, LITE, "grok-imagine-image"):
        with pytest.raises(errors.InvalidRequest, match="use grok-imagine-video"):
            videos.edit_body(prompt="x", video="file_1", model=model)
        with pytest.raises(errors.InvalidRequest, match="use grok-imagine-video"):
            videos.extension_body(prompt="x", video="file_1", model=model)


def test_an_edit_and_an_extension_say_no_more_than_the_api_takes() -> None:
    source = {"file_id": "file_1"}
    assert videos.edit_body(prompt="x", video="file_1", user="u") == {
        "model": OLD,
        "prompt": "x",
        "video": source,
        "user": "u",
    }
    assert videos.extension_body(prompt="x", video="file_1") == {
        "model": OLD,
        "prompt": "x",
        "video": source,
        "duration": 6,
    }


@pytest.mark.parametrize("seconds", [0, 16, "x", None])
def test_an_extension_adds_one_to_fifteen_seconds(seconds: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="from 1 to 15"):
        videos.extension_body(prompt="x", video="file_1", duration=seconds)
    for least_or_most in (1, 15):
        made = videos.extension_body(prompt="x", video="file_1", duration=least_or_most)
        assert made["duration"] == least_or_most


def test_a_list_of_videos_is_refused_naming_expand() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"video= takes one source.*\.expand\(video=") as caught:
        videos.edit_body(prompt="x", video=["file_1"])  # type: ignore[arg-type]
    assert "images=" not in str(caught.value)


def test_a_video_is_made_stored_and_billed_as_estimated(carry: Any, sandbox: Any, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "mug.png")
    mug = carry(files.upload(tmp_path / "mug.png"))
    asked = body(image=mug.id, duration=2, storage_options=storage.storage_options("clip.mp4", expires_after=86400))
    progress = end(carry, carry(videos.generate(asked)))
    video = progress.result
    assert (video.file_output.filename, video.duration, video.model) == ("clip.mp4", 2, NEW)
    assert video.ticks == sandbox.ledger.total_ticks == prices.video_ticks(asked)
    carry(files.content(video.file_output.file_id, tmp_path / "clip.mp4"))
    assert files.media_type(tmp_path / "clip.mp4") == "video/mp4"


def test_a_stored_video_is_edited_and_extended(buy: Any) -> None:
    store = storage.storage_options("clip.mp4")
    first = end(
        buy, buy(videos.generate(body(model=OLD, duration=2, storage_options=store)))
    ).result.file_output.file_id
    edited = end(buy, buy(videos.edit(videos.edit_body(prompt="at night", video=first, storage_options=store))))
    longer = videos.extension_body(prompt="on", video=edited.result.file_output.file_id, duration=2)
    assert end(buy, buy(videos.extend(longer))).state == "done"


def test_a_video_without_room_may_be_asked_for_again(carry: Any, sandbox: Any) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/videos/*", "action": {"fail": "service_unavailable"}})
    failure = end(carry, carry(videos.generate(body()))).failure
    assert failure
    assert (failure.code, failure.permanent) == ("service-unavailable", False)


def test_a_moderated_video_is_permanent_and_names_its_job(carry: Any, sandbox: Any) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/videos/*", "action": {"moderate": True}})
    accepted = carry(videos.generate(body()))
    failure = end(carry, accepted).failure
    assert isinstance(failure, errors.JobModerated)
    assert (failure.permanent, failure.job_id) == (True, accepted.job_id)


def looked(ask: Any, script: Any, status: int, answer: str) -> jobs.Progress:
    script.say(status, answer)
    progress: jobs.Progress = ask(videos.poll("r1"))
    return progress


def test_a_pending_video_tells_its_percent(ask: Any, script: Any) -> None:
    progress = looked(ask, script, 202, '{"status": "pending", "progress": 37}')
    assert (progress.state, progress.note) == ("pending", "37 %")


def test_an_empty_202_is_pending(ask: Any, script: Any) -> None:
    assert looked(ask, script, 202, "").state == "pending"


@pytest.mark.parametrize("status", [200, 400])
def test_an_error_body_without_status_is_an_odd_failure(ask: Any, script: Any, status: int) -> None:
    progress = looked(ask, script, status, '{"code": "invalid-argument", "error": "Rejected by content moderation."}')
    assert (progress.state, progress.odd, type(progress.failure)) == ("failed", True, errors.JobModerated)


@pytest.mark.parametrize("video", ["{}", "null", '{"url": "", "duration": 6}', '{"duration": 6}', '"?"'])
def test_done_without_a_video_is_an_end_and_a_failure(ask: Any, script: Any, video: str) -> None:
    progress = looked(ask, script, 200, f'{{"status": "done", "video": {video}}}')
    assert (progress.state, progress.odd) == ("failed", False)
    assert "its answer holds no video" in str(progress.failure)


def test_a_video_that_was_taken_away_is_billed(ask: Any, script: Any) -> None:
    answer = (
        '{"status": "done", "video": {"url": "", "duration": 6, "respect_moderation": false},'
        ' "usage": {"cost_in_usd_ticks": 3000000000}}'
    )
    progress = looked(ask, script, 200, answer)
    assert isinstance(progress.failure, errors.JobModerated)
    assert (progress.failure.billed, progress.failure.ticks, progress.result.ticks) == (True, 3 * 10**9, 3 * 10**9)


def test_an_expired_job_failed_and_may_be_asked_for_again(ask: Any, script: Any) -> None:
    failure = looked(ask, script, 200, '{"status": "expired"}').failure
    assert failure
    assert (failure.code, failure.permanent) == ("expired", False)


def test_a_video_with_a_broken_second_and_new_fields_is_read(ask: Any, script: Any) -> None:
    answer = '{"status": "done", "video": {"url": "https://vidgen.x.ai/a.mp4", "duration": 5.04, "fps": 24}, "new": 1}'
    assert looked(ask, script, 200, answer).result.duration == 5.04


@pytest.mark.parametrize("request_id", ["../files", "a/b", "a?b", ""])
def test_a_strange_request_id_stays_inside_its_path(request_id: str) -> None:
    path = videos.poll(request_id).path
    assert path.startswith("/videos/")
    assert not set("?") & set(path)
    assert path.count("/") == 2
