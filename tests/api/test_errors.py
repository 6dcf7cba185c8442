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


HTML = b"<html><title>403 Forbidden</title></html>"
API_SHAPES = [
    {"code": "invalid-argument", "error": "no"},
    {"error": {"message": "no", "type": "t", "param": None, "code": "x"}},
    {"error": "no"},
]
FOREIGN_SHAPES: list[Any] = [
    HTML,
    b"",
    b"upstream connect error",
    {"message": "no"},
    {"message": "no", "code": "x"},
    {"detail": "no"},
    {"error": None},
    {"error": {"code": 403}},
    {"errors": ["no"]},
    {},
    ["no"],
    "no",
]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 415, 422, 429])
@pytest.mark.parametrize("body", API_SHAPES)
def test_the_apis_own_refusal_says_that_nothing_was_done(status: int, body: Any) -> None:
    error = refused(status, body, paid=True)
    assert (error.outcome_unknown, error.billed) == (False, False)
    assert error.permanent is (status != 429)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 415, 422, 429])
@pytest.mark.parametrize("body", FOREIGN_SHAPES)
def test_what_something_in_between_says_refuses_nothing(status: int, body: Any) -> None:
    error = refused(status, body, paid=True)
    assert (error.outcome_unknown, error.permanent, error.transient, error.billed) == (True, False, True, None)
    assert "API key" not in error.advice
    assert "gateway" in error.advice


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 308, 408, 409, 425, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("body", [*API_SHAPES, HTML, {}])
def test_no_status_but_a_4xx_is_a_refusal_even_in_the_apis_own_shape(status: int, body: Any) -> None:
    error = refused(status, body, paid=True)
    assert (error.outcome_unknown, error.permanent, error.billed) == (True, False, None)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("Failed to deserialize the JSON body into the target type: missing field `prompt` at line 1 column 2", False),
        ("quality: unknown variant `ultra`, expected one of `low`, `medium`, `high`, `auto`", False),
        ("Unprocessable Entity", True),
        ("<html>missing field</html>", True),
    ],
)
def test_the_plain_text_of_a_422_is_the_apis(text: str, unknown: bool) -> None:
    assert refused(422, text.encode(), paid=True).outcome_unknown is unknown
    assert refused(400, text.encode(), paid=True).outcome_unknown


def test_what_a_storage_service_says_of_a_link_need_not_have_the_apis_shape() -> None:
    raw = b"<Error><Code>NoSuchKey</Code></Error>"
    error = errors.refusal("GET", "/a", 404, raw, request_id=None, paid=False, retry_after=None, check=False)
    assert (type(error), error.permanent, error.outcome_unknown) == (errors.NotFound, True, False)


def test_what_never_left_is_no_attempt() -> None:
    assert errors.Unreachable.never_sent
    assert not errors.Unreachable.outcome_unknown
    assert errors.InvalidRequest.never_sent
    assert not errors.ResponseLost.never_sent
    assert not refused(400, {"error": "no"}).never_sent


SAFETY = "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_CSAM"
CREDIT = (
    "Your team 0 has either used all available credits or reached its monthly spending limit. To continue making API "
    "requests, please purchase more credits or raise your spending limit."
)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (403, "permission-denied", SAFETY, errors.Moderated),
        (400, "Client specified an invalid argument", SAFETY, errors.Moderated),
        (400, "imagine:content-moderated", "Generated image rejected by content moderation.", errors.Moderated),
        (400, "imagine:content_moderated", "Rejected.", errors.Moderated),
        (403, "permission-denied", CREDIT, errors.CreditExhausted),
        (429, "Some resource has been exhausted", CREDIT, errors.CreditExhausted),
        (402, "", CREDIT, errors.CreditExhausted),
        (403, "personal-team-blocked:spending-limit", "Blocked.", errors.CreditExhausted),
        (403, "permission-denied", "reference_audios is not enabled for your team.", errors.PermissionDenied),
        (429, "resource-exhausted", "Too many requests for team 0.", errors.RateLimited),
        (400, "invalid-argument", "Incorrect API key provided: xai-1.", errors.PermissionDenied),
        (500, "internal", "content moderation service failed", errors.ServerUnavailable),
    ],
)
def test_the_words_of_a_refusal_come_before_its_status(
    status: int, code: str, message: str, kind: type[errors.ApiError]
) -> None:
    error = refused(status, {"code": code, "error": message}, paid=True)
    assert type(error) is kind
    assert ("Check the API key" in str(error)) is (kind is errors.PermissionDenied)


def test_a_team_without_credit_is_told_to_buy_some_and_not_to_wait() -> None:
    error = refused(429, {"code": "Some resource has been exhausted", "error": CREDIT})
    assert (error.permanent, error.transient, error.outcome_unknown) == (True, False, False)
    assert "buy credit" in str(error)


def test_moderation_under_another_status_still_says_what_it_cost() -> None:
    body = {"code": "x", "error": "Rejected by content moderation.", "usage": {"cost_in_usd_ticks": 400_000_000}}
    for status in (200, 403):
        error = refused(status, body, paid=True)
        assert (error.billed, error.ticks) == (True, 400_000_000)


@pytest.mark.parametrize(
    ("status", "body", "refuses"),
    [
        (400, {"code": "invalid-argument", "error": "Argument not supported: deferred"}, True),
        (400, {"error": "Deferred requests are not available for your team."}, True),
        (403, {"code": "permission-denied", "error": "Asynchronous generation is not enabled"}, True),
        (422, b"Failed to deserialize the JSON body into the target type: unknown field `deferred`", True),
        (400, {"error": {"message": "Unsupported", "param": "deferred", "code": "x"}}, True),
        (400, {"error": "Argument not supported: deferred_until"}, False),
        (400, {"error": "Argument not supported: size"}, False),
        (403, {"error": "Content violates usage guidelines: deferred"}, False),
        (429, {"error": "Too many deferred requests"}, False),
        (404, {"error": "deferred not found"}, False),
        (400, {"message": "deferred is not supported"}, False),
        (500, {"error": "deferred"}, False),
    ],
)
def test_a_refusal_of_a_field_is_known_by_its_name_in_any_wording(status: int, body: Any, refuses: bool) -> None:
    assert errors.refuses_field(refused(status, body), "deferred") is refuses
