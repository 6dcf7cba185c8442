"""Every way to make a video, every odd way in which one ends, and what the server refuses."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from PIL import Image

from airflow_provider_grok.operators.videos import (
    GrokImagineVideoEditOperator,
    GrokImagineVideoExtendOperator,
    GrokImagineVideoOperator,
)
from airflow_provider_grok.sandbox import mp4
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked, event_of, names, paid
from tests.batch_run import Store, ask

OLD, NEW, LITE = "grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"
POLL = {"method": "GET", "path": "/v1/videos/*"}
MODES: dict[str, dict[str, Any]] = {
    "text": {"prompt": "waves", "aspect_ratio": "9:16"},
    "text, oldest model": {"prompt": "waves", "model": OLD, "resolution": "720p"},
    "text, lite": {"prompt": "waves", "model": LITE, "generate_audio": False},
    "picture": {"image": "$", "resolution": "1080p", "duration": 1},
    "picture and words": {"image": "$", "prompt": "waves", "model": OLD},
    "references": {"prompt": "<IMAGE_0> and <IMAGE_1>", "reference_images": ["$", "$"], "resolution": "720p"},
    "references, oldest model": {"prompt": "x", "reference_images": ["$"], "model": OLD},
    "picture and references": {"prompt": "x", "image": "$", "reference_images": "['$']"},
    "first and last frame": {"prompt": "x", "image": "$", "last_frame": "$"},
    "last frame alone, without words": {"last_frame": "$"},
    "picture, lite": {"image": "$", "model": LITE},
    "keyframes": {"prompt": "x", "duration": 3, "keyframes": [{"image": "$", "timestamp_s": 1.5}]},
    "a dated alias": {"prompt": "x", "model": "grok-imagine-video-1.5-2026-05-30"},
    "voices": {"prompt": "x", "reference_audios": ["eve", {"voice_id": "rex"}]},
}


def filled(value: Any, picture: str) -> Any:
    """Arguments with a stored picture wherever one is to be."""
    if isinstance(value, str):
        return value.replace("$", picture)
    if isinstance(value, list):
        return [filled(item, picture) for item in value]
    return {key: filled(item, picture) for key, item in value.items()} if isinstance(value, dict) else value


def film(**arguments: Any) -> TaskRun:
    return TaskRun(GrokImagineVideoOperator, **{"task_id": "film", "duration": 2, **arguments})


@pytest.fixture
def long_clip(sandbox: Sandbox) -> str:
    """A stored clip of 31 seconds."""
    pictures = [Image.new("RGB", (64, 48), (step % 256, 0, 0)) for step in range(31 * mp4.FPS)]
    data = mp4.encode(pictures, (64, 48), history=[], seconds=31, pitch=None)
    stored: str = ask(sandbox, "POST", "/files", files={"file": ("long.mp4", data, "video/mp4")})["id"]
    return stored


@pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
@pytest.mark.parametrize("arguments", MODES.values(), ids=MODES.keys())
def test_every_mode_makes_one_stored_video_for_its_price(
    sandbox: Sandbox, store: Store, time: Time, arguments: dict[str, Any], deferrable: bool
) -> None:
    picture = store()
    run = film(**filled(arguments, picture), deferrable=deferrable)
    file_id = run.resume(event_of(run.defer())) if deferrable else run.execute()
    assert ask(sandbox, "GET", f"/files/{file_id}")["filename"] == names(sandbox)[-1]
    (charge,) = sandbox.ledger.charges
    assert run.receipt["usage"] == {
        "cost_in_usd_ticks": charge["ticks"],
        "cost_usd": charge["ticks"] / 1e10,
        "estimated": False,
    }
    assert set(run.receipt["request"]["sources"]) == ({picture} if "$" in str(arguments) else set())


@pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
def test_edits_and_extensions_wait_either_way(sandbox: Sandbox, time: Time, deferrable: bool) -> None:
    clip = film(prompt="waves", model=OLD).execute()
    for operator in (GrokImagineVideoEditOperator, GrokImagineVideoExtendOperator):
        run = TaskRun(operator, task_id="next", prompt="at night", video=clip, deferrable=deferrable)
        clip = run.resume(event_of(run.defer())) if deferrable else run.execute()
    assert len(sandbox.ledger.charges) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": "done", "video": {"url": "", "duration": 2}}, "holds no video"),
        ({"status": "done", "progress": 100}, "holds no video"),
        ({"status": "done", "video": {"url": "", "duration": 2, "respect_moderation": False}}, "moderation"),
        ({"status": "expired"}, "expired"),
        ({"status": "failed", "error": {"code": "failed_precondition", "message": "not this model"}}, "not this model"),
        ({"code": "invalid_argument", "error": "Rejected by content moderation."}, "moderation"),
    ],
)
@pytest.mark.parametrize("deferrable", [False, True], ids=["waiting", "deferred"])
def test_an_end_without_a_video_is_an_end_that_is_told(
    sandbox: Sandbox, time: Time, answer: dict[str, Any], said: str, deferrable: bool
) -> None:
    sandbox.faults.add({**POLL, "times": None, "action": {"status": 200, "body": answer}})
    run = film(prompt="waves", deferrable=deferrable)
    with pytest.raises(AirflowException, match=said):
        run.execute() if not deferrable or answer.get("status") else run.resume(event_of(run.defer()))
    assert len(paid(sandbox)) == 1
    assert "usage" in run.receipt


def test_odd_answers_in_between_are_borne(sandbox: Sandbox, time: Time) -> None:
    for action in (
        {"status": 202, "body": {"status": "pending"}},
        {"status": 202, "body": {"status": "queued", "progress": "many"}},
        {"status": 400, "body": {"code": "invalid_argument", "error": "not now"}},
        {"status": 200, "body": {"code": "x", "error": "?"}},
        {"status": 502, "body": "<html>"},
        {"drop": "before"},
        {"truncate": 5},
    ):
        sandbox.faults.add({**POLL, "action": action})
    assert film(prompt="waves").execute()
    assert len(sandbox.ledger.charges) == 1


def test_a_job_that_is_forgotten_while_waiting_is_known_by_its_file(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POLL, "skip": 1, "times": None, "action": {"status": 404}})
    file_id = film(prompt="waves", poll_interval=10).execute()
    assert ask(sandbox, "GET", f"/files/{file_id}")["filename"] == names(sandbox)[0]
    assert (len(sandbox.ledger.charges), len(paid(sandbox))) == (1, 1)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "1080p by the oldest": ({"prompt": "x", "model": OLD, "resolution": "1080p"}, r"resolution='1080p'.*480p, 720p"),
    "references by lite": ({"prompt": "x", "model": LITE, "reference_images": ["file_1"]}, "reference_images=.*1.5"),
    "last frame by the oldest": ({"prompt": "x", "model": OLD, "last_frame": "file_1"}, "last_frame="),
    "picture and references": (
        {"prompt": "x", "model": OLD, "image": "file_1", "reference_images": ["file_2"]},
        "image= with reference_images=.*one of the two",
    ),
    "eleven seconds from references": (
        {"prompt": "x", "model": OLD, "duration": 11, "reference_images": ["file_2"]},
        "duration=11 with reference_images=",
    ),
    "1080p from references": (
        {"prompt": "x", "resolution": "1080p", "reference_images": ["file_2"]},
        "720p is the most",
    ),
    "a keyframe at the end": (
        {"prompt": "x", "keyframes": [{"image": "file_1", "timestamp_s": 2}]},
        r"timestamp_s=2 must lie between 0 and the duration, 2 s",
    ),
    "an edit by the newest": ({"video": "file_1", "prompt": "x", "model": NEW}, "use grok-imagine-video"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_model_cannot_do_is_refused_before_anything_is_sent(
    sandbox: Sandbox, arguments: dict[str, Any], said: str
) -> None:
    operator = GrokImagineVideoEditOperator if "video" in arguments else GrokImagineVideoOperator
    with pytest.raises(AirflowFailException, match=said):
        TaskRun(
            operator, task_id="x", **{"duration": 2, **arguments} if "video" not in arguments else arguments
        ).execute()
    assert sandbox.journal == []


@pytest.mark.parametrize("operator", [GrokImagineVideoEditOperator, GrokImagineVideoExtendOperator])
def test_a_clip_that_is_too_long_is_refused_by_the_server_with_its_length_and_without_a_bill(
    sandbox: Sandbox, time: Time, long_clip: str, operator: type[Any]
) -> None:
    with pytest.raises(AirflowFailException, match=r"31\.0 s.*(Nothing was billed|not billed)"):
        TaskRun(operator, task_id="x", prompt="on", video=long_clip).execute()
    assert sandbox.ledger.charges == []


@pytest.mark.parametrize("operator", [GrokImagineVideoEditOperator, GrokImagineVideoExtendOperator])
def test_a_picture_is_no_video(sandbox: Sandbox, time: Time, store: Store, operator: type[Any]) -> None:
    with pytest.raises(AirflowFailException, match=r"video.*(Nothing was billed|not billed)"):
        TaskRun(operator, task_id="x", prompt="on", video=store()).execute()
    assert sandbox.ledger.charges == []


def test_a_link_is_no_longer_lived_than_what_it_leads_to(sandbox: Sandbox, time: Time) -> None:
    run = film(prompt="waves", expires_after=7200, share=True)
    run.execute()
    (row,) = run.receipt["files"]
    assert row["public_url_expires_at"] == row["expires_at"]
    assert len(asked(sandbox, "POST", "/public-url")) == 0
