"""Images: what is refused before it is sent, what is sent, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from airflow_provider_grok.api import errors, files, images, jobs, polling, storage

MODEL = "grok-imagine-image-2.0"


@pytest.fixture
def mug(buy: Any, tmp_path: Path) -> str:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "mug.png")
    stored: files.File = buy(files.upload(tmp_path / "mug.png"))
    return stored.id


def end(carry: Any, accepted: jobs.Accepted) -> jobs.Progress:
    assert accepted.job_id
    progress: jobs.Progress = carry(polling.wait(jobs.Job("image", accepted.job_id, carry.time.now())))
    return progress


def test_only_what_was_asked_is_sent() -> None:
    assert images.generation_body(prompt="a mug", model=MODEL) == {"model": MODEL, "prompt": "a mug", "n": 1}


def test_rendered_numbers_are_taken_and_own_fields_win() -> None:
    body = images.generation_body(prompt="a mug", model=MODEL, n="4", params={"seed": 7, "prompt": None})
    assert body == {"model": MODEL, "n": 4, "seed": 7}


@pytest.mark.parametrize("model", ["grok-imagine-image-2.0", "grok-imagine-image-quality"])
def test_quality_is_sent_to_models_that_know_it(model: str) -> None:
    assert images.generation_body(prompt="a mug", model=model, quality="low")["quality"] == "low"


def test_quality_is_left_out_for_models_that_do_not_know_it() -> None:
    assert "quality" not in images.generation_body(prompt="a mug", model="grok-imagine-image", quality="low")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": "  "}, "prompt='  ' must be text"),
        ({"prompt": None}, "prompt=None must be text"),
        ({"model": ""}, "model='' must be text"),
        ({"n": 0}, "n=0 is out of bounds: a whole number from 1 to 10"),
        ({"n": 11}, "n=11"),
        ({"n": True}, "n=True"),
        ({"n": "many"}, "n='many'"),
        ({"aspect_ratio": "wide"}, r"aspect_ratio='wide' is not known; allowed: 1:1, 3:4, .*, 5:2, auto"),
        ({"aspect_ratio": 1.5}, "aspect_ratio=1.5 is not known"),
        ({"resolution": "2K"}, "resolution='2K' is not known; allowed: 1k, 1.5k, 2k"),
        ({"resolution": 2048}, "resolution=2048 is not known"),
        ({"quality": "very good"}, "quality='very good' is not known; allowed: low, medium, high, auto"),
        ({"response_format": "png"}, "response_format='png'"),
        ({"upload_urls": ["https://a"], "n": 2}, "upload_urls has 1 URLs for n=2"),
    ],
)
def test_what_the_api_would_refuse_is_refused_in_words(options: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=said):
        images.generation_body(**{"prompt": "a mug", "model": MODEL, **options})


@pytest.mark.parametrize(
    "options",
    [{"aspect_ratio": "7:5"}, {"resolution": "4k"}, {"quality": "ultra"}, {"images": [f"file_{n}" for n in range(6)]}],
)
def test_what_the_api_may_have_learned_is_sent_with_a_warning(
    caplog: pytest.LogCaptureFixture, options: dict[str, Any]
) -> None:
    make: Any = images.edit_body if "images" in options else images.generation_body
    body = make(**{"prompt": "a mug", "model": MODEL, **options})
    ((name, value),) = options.items()
    assert body[name] == (value if isinstance(value, str) else [{"file_id": one} for one in value])
    (warning,) = caplog.messages
    assert warning.startswith(f"{name}=")
    assert "sent all the same" in warning
    assert "bills nothing" in warning


def test_what_the_api_is_known_to_take_is_sent_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    known = {
        "aspect_ratio": images.ASPECT_RATIOS,
        "resolution": images.RESOLUTIONS,
        "quality": images.QUALITIES,
    }
    for name, values in known.items():
        for value in values:
            options: dict[str, Any] = {name: value}
            assert images.generation_body(prompt="a mug", model=MODEL, **options)[name] == value
    assert caplog.messages == []


def test_an_edit_has_one_source_or_two_to_five() -> None:
    body = images.edit_body(prompt="x", model=MODEL, images=["file_1", "https://example.com/a.png"])
    assert body["images"] == [{"file_id": "file_1"}, {"url": "https://example.com/a.png"}]
    for sources in (["file_1"], "file_1", []):
        with pytest.raises(errors.InvalidRequest, match="2 to 5 sources"):
            images.edit_body(prompt="x", model=MODEL, images=sources)
    for both in ({}, {"image": "file_1", "images": ["file_1", "file_2"]}):
        with pytest.raises(errors.InvalidRequest, match=r"either image= .* or images="):
            images.edit_body(prompt="x", model=MODEL, **both)  # type: ignore[arg-type]


def test_a_prompt_longer_than_the_model_takes_is_refused() -> None:
    images.check_prompt("x" * 1024, 1024)
    with pytest.raises(errors.InvalidRequest, match="has 1025 characters; the model takes 1024"):
        images.check_prompt("x" * 1025, 1024)


def test_a_new_picture_is_deferred_stored_and_billed_once(carry: Any, sandbox: Any) -> None:
    options = storage.storage_options("mug.jpg", expires_after=86400, public_url=3600)
    body = images.generation_body(prompt="a mug", model=MODEL, quality="low", storage_options=options)
    accepted = carry(images.generate(body))
    assert (accepted.kind, accepted.finished) == ("image", None)
    progress = end(carry, accepted)
    (picture,) = progress.result.data
    assert picture.file_output.filename == "mug.jpg"
    assert picture.file_output.public_url
    assert progress.result.ticks == sandbox.ledger.total_ticks == 400_000_000
    assert carry(files.get(picture.file_output.file_id)).filename == "mug.jpg"


def test_an_edit_of_a_stored_file_is_made(carry: Any, mug: str) -> None:
    body = images.edit_body(prompt="make it blue", model=MODEL, image=mug, quality="low", n=2)
    progress = end(carry, carry(images.edit(body)))
    assert [picture.present for picture in progress.result.data] == [True, True]


def test_pictures_inside_the_answer_are_not_deferred(carry: Any) -> None:
    body = images.generation_body(prompt="a mug", model=MODEL, response_format="b64_json")
    accepted = carry(images.generate(body))
    assert accepted.job_id is None
    assert accepted.finished.state == "done"
    assert accepted.finished.result.data[0].b64_json


def test_a_server_that_answers_at_once_is_taken_at_its_word(ask: Any, script: Any) -> None:
    script.say(200, '{"data": [{"url": "https://imgen.x.ai/a.jpeg"}], "usage": {"cost_in_usd_ticks": 5}}')
    finished = ask(images.generate({"model": MODEL, "prompt": "x"})).finished
    assert (finished.state, finished.result.ticks) == ("done", 5)


def test_an_answer_with_neither_id_nor_result_leaves_the_bill_open(ask: Any, script: Any) -> None:
    script.say(200, '{"ok": true}')
    with pytest.raises(errors.ResponseLost, match="neither a request_id nor a result") as caught:
        ask(images.generate({"model": MODEL, "prompt": "x"}))
    assert caught.value.billed is None


def test_moderation_of_a_deferred_picture_is_a_failure_that_says_so(carry: Any, sandbox: Any) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/images/*", "action": {"moderate": True}})
    accepted = carry(images.generate(images.generation_body(prompt="a mug", model=MODEL)))
    failure = end(carry, accepted).failure
    assert isinstance(failure, errors.JobModerated)
    assert failure.job_id == accepted.job_id


def test_a_failed_job_names_the_code(carry: Any, sandbox: Any) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/images/*", "action": {"fail": "internal_error"}})
    progress = end(carry, carry(images.generate(images.generation_body(prompt="a mug", model=MODEL))))
    assert progress.failure
    assert (progress.state, progress.failure.code, progress.failure.permanent) == ("failed", "internal-error", False)


def test_an_unknown_request_is_not_found(carry: Any) -> None:
    with pytest.raises(errors.NotFound):
        carry(images.poll("no-such-request"))


def looked(ask: Any, script: Any, status: int, body: str) -> jobs.Progress:
    script.say(status, body)
    progress: jobs.Progress = ask(images.poll("r1"))
    return progress


@pytest.mark.parametrize(
    ("status", "body"),
    [(202, ""), (202, "\n"), (202, "{}"), (202, '{"status": "pending"}'), (200, '{"status": "queued"}'), (200, "{}")],
)
def test_whatever_is_no_end_is_pending(ask: Any, script: Any, status: int, body: str) -> None:
    assert looked(ask, script, status, body).state == "pending"


def test_a_state_of_the_future_is_pending_with_its_progress(ask: Any, script: Any) -> None:
    assert looked(ask, script, 200, '{"status": "polishing", "progress": 80}').note == "80 %"


@pytest.mark.parametrize("code", ["invalid_argument", "invalid-argument"])
def test_a_failure_is_read_with_its_bill(ask: Any, script: Any, code: str) -> None:
    body = (
        f'{{"status": "failed", "error": {{"code": "{code}", "message": "Bad."}}, "usage": {{"cost_in_usd_ticks": 9}}}}'
    )
    progress = looked(ask, script, 200, body)
    assert progress.failure
    assert (progress.failure.code, progress.failure.ticks, progress.failure.billed) == ("invalid-argument", 9, True)
    assert not progress.odd


@pytest.mark.parametrize(
    ("status", "body"), [(400, '{"error": "x"}'), (200, '{"code": "a", "error": "x"}'), (400, "{}")]
)
def test_an_error_in_place_of_a_status_is_an_odd_failure(ask: Any, script: Any, status: int, body: str) -> None:
    progress = looked(ask, script, status, body)
    assert (progress.state, progress.odd) == ("failed", True)


def test_a_wrong_key_on_a_look_says_nothing_about_the_job(ask: Any, script: Any) -> None:
    with pytest.raises(errors.PermissionDenied) as caught:
        looked(ask, script, 400, '{"error": "Incorrect API key provided: xai-secret-key"}')
    assert "xai-secret-key" not in str(caught.value)


def test_pictures_of_which_all_were_taken_away_are_a_billed_failure(ask: Any, script: Any) -> None:
    body = '{"status": "done", "data": [{"url": "u", "respect_moderation": false}], "usage": {"cost_in_usd_ticks": 7}}'
    progress = looked(ask, script, 200, body)
    assert isinstance(progress.failure, errors.JobModerated)
    assert (progress.failure.billed, progress.failure.ticks, progress.result.ticks) == (True, 7, 7)


def test_pictures_of_which_some_were_taken_away_are_a_result(ask: Any, script: Any) -> None:
    progress = looked(
        ask, script, 200, '{"status": "done", "data": [{"url": "u", "respect_moderation": false}, {"url": "v"}]}'
    )
    assert [picture.present for picture in progress.result.data] == [False, True]


def test_a_result_without_pictures_is_a_failure_and_not_waited_for(ask: Any, script: Any) -> None:
    progress = looked(ask, script, 200, '{"status": "done", "data": []}')
    assert (progress.state, progress.failure.billed if progress.failure else "") == ("failed", None)


def test_a_stored_copy_that_cannot_be_read_does_not_lose_the_picture(ask: Any, script: Any) -> None:
    body = '{"status": "done", "data": [{"url": "u", "file_output": {"error": "?"}, "storage_error": "full"}]}'
    (picture,) = looked(ask, script, 200, body).result.data
    assert (picture.file_output, picture.storage_error, picture.present) == (None, "full", True)
