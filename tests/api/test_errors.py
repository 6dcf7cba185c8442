"""What error bodies of all four forms mean, and what the errors say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_grok.api import errors


def refused(status: int, body: Any, *, paid: bool = False) -> errors.ApiError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return errors.refusal("POST", "/v1/x", status, raw, request_id="req-1", paid=paid, retry_after=None)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"code": "not-found", "error": "No batch"}, "not-found", "No batch"),
        ({"code": "invalid_argument", "error": "Bad"}, "invalid-argument", "Bad"),
        (
            {"code": "Client specified an invalid argument", "error": "Bad"},
            "client-specified-an-invalid-argument",
            "Bad",
        ),
        (
            {"error": {"message": "Bad", "type": "t", "param": None, "code": "invalid_argument"}},
            "invalid-argument",
            "Bad",
        ),
        ({"error": "Bad"}, "", "Bad"),
        (b"Failed to deserialize the JSON body", "", "Failed to deserialize the JSON body"),
        (b"", "", "(no text)"),
        (b"[1, 2]", "", "[1, 2]"),
        ({}, "", "(no text)"),
        (b"[" * 100_000, "", None),
        (b"\xff\xfe\x00", "", None),
    ],
)
def test_code_and_message_are_read_from_every_form(body: Any, code: str, message: str | None) -> None:
    error = refused(422, body)
    assert error.code == code
    assert message is None or error.message == message


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Incorrect API key provided: xai-1.", errors.PermissionDenied),
        (401, "who", errors.PermissionDenied),
        (403, "no", errors.PermissionDenied),
        (400, "Argument not supported: size", errors.InvalidArgument),
        (413, "large", errors.InvalidArgument),
        (415, "type", errors.InvalidArgument),
        (422, "missing field", errors.InvalidArgument),
        (400, "Generated image rejected by content moderation.", errors.Moderated),
        (404, "gone", errors.NotFound),
        (429, "Too many requests", errors.RateLimited),
        (429, "1000 active public URLs", errors.LinkQuota),
        (408, "", errors.ServerUnavailable),
        (409, "", errors.ServerUnavailable),
        (500, "", errors.ServerUnavailable),
        (529, "", errors.ServerUnavailable),
    ],
)
def test_each_refusal_has_its_class(status: int, message: str, kind: type[errors.ApiError]) -> None:
    error = refused(status, {"error": message})
    assert type(error) is kind
    assert isinstance(error, errors.GrokError)


def test_only_what_waiting_cures_is_not_permanent() -> None:
    passing = {errors.RateLimited, errors.ServerUnavailable}
    kinds = [refused(status, {"error": "x"}) for status in (400, 401, 404, 422, 429, 500)]
    assert [error.permanent for error in kinds] == [type(error) not in passing for error in kinds]


def test_moderated_pictures_are_billed_where_the_answer_says_so() -> None:
    body = {"error": "Generated image rejected by content moderation.", "usage": {"cost_in_usd_ticks": 200_000_000}}
    error = refused(400, body, paid=True)
    assert (error.billed, error.ticks) == (True, 200_000_000)
    assert "It was billed (0.0200 USD)." in str(error)


def test_whether_a_failed_purchase_was_billed_is_not_known() -> None:
    assert refused(500, {"error": "x"}, paid=True).billed is None
    assert refused(400, {"error": "Rejected by content moderation."}, paid=True).billed is None
    assert refused(400, {"error": "bad"}, paid=True).billed is False


def test_an_error_says_what_was_asked_what_came_back_and_what_to_do() -> None:
    said = str(refused(400, {"code": "invalid-argument", "error": "Argument not supported: size"}))
    assert said == (
        "POST /v1/x answered 400 (invalid-argument): Argument not supported: size. Request id req-1. "
        "Nothing was billed. The same request would be refused again: change it."
    )


def test_foreign_text_cannot_forge_a_log_line_or_fill_the_log() -> None:
    error = refused(400, {"error": "a\r\n\x1b[31mERROR\u2028" + "x" * 5000})
    assert not set("\r\n\x1b\u2028") & set(str(error))
    assert len(str(error)) < 1200


@pytest.mark.parametrize("ticks", [True, "5", None, 1.5, {}])
def test_ticks_that_are_no_integer_are_no_ticks(ticks: object) -> None:
    assert errors.ticks_in({"usage": {"cost_in_usd_ticks": ticks}}) is None


@pytest.mark.parametrize("code", ["service-unavailable", "internal-error", "expired"])
def test_a_job_that_failed_for_lack_of_room_may_be_asked_for_again(code: str) -> None:
    error = errors.JobFailed("video", "r1", code, "full.", billed=False)
    assert not error.permanent
    assert str(error) == (f"video job r1 failed ({code}): full. It was not billed. Asking again may well succeed.")


def test_a_moderated_job_names_its_id_and_what_it_cost() -> None:
    error = errors.JobModerated("video", "r1", "invalid-argument", "Rejected", True, 8_500_000_000)
    assert error.permanent
    assert str(error) == (
        "video job r1 failed (invalid-argument): Rejected. It was billed (0.8500 USD). "
        "The same request would fail again: change it."
    )
