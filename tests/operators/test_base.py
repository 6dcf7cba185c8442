"""What all operators share: our errors in Airflow's terms, the receipt."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.api import errors
from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.operators.base import receipt

FINAL = [
    errors.InvalidRequest("x"),
    errors.CostLimit("x"),
    errors.PermissionDenied("GET", "/v1/me", 400),
    errors.InvalidArgument("POST", "/v1/files", 400),
    errors.Moderated("POST", "/v1/images/edits", 400),
    errors.NotFound("GET", "/v1/files/x", 404),
    errors.LinkQuota("POST", "/v1/files/x/public-url", 429),
    errors.JobModerated("image", "id-1", "invalid-argument", "x"),
    errors.JobFailed("image", "id-1", "failed-precondition", "x"),
]
PASSING = [
    errors.RateLimited("POST", "/v1/images/edits", 429, retry_after=900),
    errors.ServerUnavailable("GET", "/v1/files", 503),
    errors.Unreachable("x"),
    errors.ResponseLost("x"),
    errors.NotAnApiResponse("x"),
    errors.JobFailed("image", "id-1", "internal-error", "x"),
    errors.JobTimeout("x"),
    errors.GrokError("x"),
]


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_what_a_retry_cannot_help_fails_at_once(error: errors.GrokError) -> None:
    with pytest.raises(AirflowFailException) as caught, translate_errors():
        raise error
    assert str(caught.value) == str(error)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_may_pass_is_left_to_airflows_retry(error: errors.GrokError) -> None:
    with pytest.raises(AirflowException) as caught, translate_errors():
        raise error
    assert not isinstance(caught.value, AirflowFailException)


def test_errors_that_are_not_ours_pass_unchanged() -> None:
    with pytest.raises(KeyError), translate_errors():
        raise KeyError("x")


def test_a_receipt_has_one_shape() -> None:
    shape = {"files", "request", "usage", "billed", "request_id", "reused", "submitted_at", "seconds"}
    assert set(receipt()) == shape
    assert set(receipt(counts={"kept": 1})) == shape - {"files"} | {"counts"}
    assert receipt()["usage"] == {"cost_in_usd_ticks": 0, "cost_usd": 0.0, "estimated": False}
