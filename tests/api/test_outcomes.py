"""Outcomes: every form of a result and of a failure, read into one."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import batch_requests, batches, errors, images, jobs, outcomes, polling, videos


def read(result: Any, **more: Any) -> outcomes.Outcome:
    found = outcomes.outcome({"batch_request_id": "row-1", "batch_result": result, **more})
    assert found
    assert found.id == "row-1"
    return found


def answered(kind: str, answer: Any) -> outcomes.Outcome:
    return read({"response": {kind: answer}})


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ({"batch_result": {"error": {"code": 3, "message": "Bad."}}}, "invalid-argument", "Bad."),
        ({"batch_result": {"error": {"code": "13", "message": "Bad."}}}, "internal", "Bad."),
        ({"batch_result": {"error": {"code": 99, "message": "Bad."}}}, "99", "Bad."),
        (
            {"batch_result": {"error": {"code": "failed_precondition", "message": "Bad."}}},
            "failed-precondition",
            "Bad.",
        ),
        ({"batch_result": {"error": {"code": 1}}}, "cancelled", "(no text)"),
        ({"batch_result": {"error": "Bad."}}, "", "Bad."),
        ({"error_message": "Bad."}, "", "Bad."),
        ({"batch_result": {"response": "unknown"}}, "unknown", "no result"),
        ({"batch_result": {}}, "unknown", "no result"),
        ({"batch_result": None}, "unknown", "no result"),
        ({}, "unknown", "no result"),
        (
            {"batch_result": {"response": {"chat_get_completion": {"code": "invalid_argument", "error": "Bad."}}}},
            "invalid-argument",
            "Bad.",
        ),
        (
            {
                "batch_result": {
                    "response": {"video_generation": {"status": "failed", "error": {"code": "internal_error"}}}
                }
            },
            "internal-error",
            "(no text)",
        ),
        ({"batch_result": {"response": {"video_generation": {"status": "expired"}}}}, "expired", "expired"),
        ({"batch_result": {"response": {"image_generation": {"data": []}}}}, "", "holds no image"),
        ({"batch_result": {"response": {"image_generation": None}}}, "", "holds no image"),
        ({"batch_result": {"response": {"video_generation": {"status": "done"}}}}, "", "holds no video"),
    ],
)
def test_every_form_of_a_failure_is_one(entry: dict[str, Any], code: str, message: str) -> None:
    found = outcomes.outcome({"batch_request_id": "row-1", **entry})
    assert found
    assert found.error
    assert (found.error.code, found.error.job_id) == (code, "row-1")
    assert message in found.error.message


@pytest.mark.parametrize(
    "none", [None, "", {}, {"code": 0, "message": ""}, {"code": "0"}, {"code": 0, "message": "OK"}]
)
def test_an_error_that_says_there_is_none_is_none(none: Any) -> None:
    found = read({"error": none, "response": {"image_generation": {"data": [{"url": "u"}]}}})
    assert (found.error, len(found.images.data) if found.images else 0) == (None, 1)


@pytest.mark.parametrize(
    "result",
    [
        {"error": {"code": 3, "message": "Rejected by content moderation."}},
        {"error": "Rejected by content moderation."},
        {"response": {"image_generation": {"data": [{"url": "u", "respect_moderation": False}]}}},
        {"response": {"video_generation": {"status": "done", "video": {"url": "", "respect_moderation": False}}}},
    ],
)
def test_moderation_is_told_apart_from_other_failures(result: dict[str, Any]) -> None:
    assert isinstance(read(result).error, errors.JobModerated)


def test_what_was_charged_is_kept_on_failures_too() -> None:
    usage = {"cost_in_usd_ticks": 7}
    taken = answered("image_generation", {"data": [{"url": "u", "respect_moderation": False}], "usage": usage})
    failed = answered("video_generation", {"status": "failed", "error": {"code": "x"}, "usage": usage})
    assert [(one.ticks, one.error.billed if one.error else None) for one in (taken, failed)] == [(7, True), (7, True)]


def test_a_finished_video_is_read_with_its_model_and_charge() -> None:
    answer = {
        "status": "done",
        "model": "grok-imagine-video",
        "video": {"url": "https://vidgen.x.ai/a.mp4", "duration": 5},
        "usage": {"cost_in_usd_ticks": 5},
    }
    found = answered("video_generation", answer)
    assert isinstance(found.video, videos.Video)
    assert (found.video.model, found.video.duration, found.ticks, found.error) == ("grok-imagine-video", 5, 5, None)


def test_a_chat_answer_is_no_failure() -> None:
    assert answered("chat_get_completion", {"choices": []}).error is None


def test_a_request_that_still_runs_has_no_outcome() -> None:
    entry = {"batch_request_id": "1", "batch_result": {"response": {"video_generation": {"status": "pending"}}}}
    assert outcomes.outcome(entry) is None


@pytest.mark.parametrize("results", ["null", "[]", '"?"', "[null, 7]"])
def test_a_page_without_results_is_empty(ask: Any, script: Any, results: str) -> None:
    script.say(200, f'{{"results": {results}}}')
    assert ask(outcomes.page("b")) == outcomes.ResultPage((), None)


def test_results_are_read_over_all_pages_once_each(ask: Any, script: Any) -> None:
    one = '{"batch_request_id": "1", "error_message": "x"}'
    two = '{"batch_request_id": "2", "error_message": "x"}'
    script.say(200, f'{{"results": [{one}], "pagination_token": "t"}}')
    script.say(200, f'{{"results": [{one}, {two}], "pagination_token": null}}')
    assert [found.id for found in ask(outcomes.listing("b"))] == ["1", "2"]


def test_results_of_a_batch_are_joined_by_id(carry: Any) -> None:
    made = carry(batches.create("nightly"))
    body = images.generation_body(prompt="a mug", model="grok-imagine-image")
    rows = [batch_requests.request(f"row-{index}", "image_generation", body) for index in range(3)]
    carry(batches.add(made.batch_id, rows))
    carry(polling.wait(jobs.Job("batch", made.batch_id, carry.time.now())))
    found = {one.id: one for one in carry(outcomes.listing(made.batch_id))}
    assert sorted(found) == ["row-0", "row-1", "row-2"]
    assert all(one.images and one.images.data[0].present and one.ticks == 200_000_000 for one in found.values())
