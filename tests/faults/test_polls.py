"""Polls that lie: an error body with a status of success is no job's end, and no reason to buy again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.operators.images import GrokImagineGenerateOperator
from airflow_provider_grok.operators.videos import GrokImagineVideoOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, names, paid

JOBS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "images": (GrokImagineGenerateOperator, {"prompt": "a red bicycle"}),
    "videos": (GrokImagineVideoOperator, {"prompt": "waves", "duration": 1}),
}
BODIES = [
    {"code": "internal-error", "error": "The service is currently unavailable"},
    {"error": {"message": "upstream connect error", "type": "server_error", "param": None, "code": None}},
    {"error": "bad gateway"},
]


@pytest.fixture(params=JOBS)
def run(request: pytest.FixtureRequest, sandbox: Sandbox, time: Time) -> TaskRun:
    operator, arguments = JOBS[request.param]
    return TaskRun(operator, task_id=request.param, **arguments)


def lie(sandbox: Sandbox, body: Any, times: int | None, status: int = 200) -> None:
    for kind in ("images", "videos"):
        path = f"/v1/{kind}/*"
        sandbox.faults.add({"method": "GET", "path": path, "times": times, "action": {"status": status, "body": body}})


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("times", [1, 2])
def test_an_error_body_with_a_200_is_not_believed_before_the_third_look_in_a_row(
    run: TaskRun, sandbox: Sandbox, body: Any, times: int
) -> None:
    lie(sandbox, body, times)
    file_id = run.execute()
    assert file_id
    assert (len(paid(sandbox)), len(sandbox.ledger.charges), len(names(sandbox))) == (1, 1, 1)


def test_three_400s_that_pass_end_nothing(run: TaskRun, sandbox: Sandbox) -> None:
    lie(sandbox, {"code": "invalid-argument", "error": "not now"}, 3, 400)
    assert run.execute()
    assert (len(paid(sandbox)), len(sandbox.ledger.charges)) == (1, 1)


@pytest.mark.parametrize("status", [200, 400])
def test_a_job_whose_end_was_believed_wrongly_is_taken_by_the_retry(
    run: TaskRun, sandbox: Sandbox, status: int
) -> None:
    lie(sandbox, BODIES[0], None, status)
    with pytest.raises(AirflowException, match="Asking again may well succeed"):
        run.execute()
    sandbox.faults.clear()
    assert run.execute()
    assert (len(paid(sandbox)), len(sandbox.ledger.charges), len(names(sandbox))) == (1, 1, 1)


def test_a_job_that_failed_indeed_is_bought_again_by_the_retry(run: TaskRun, sandbox: Sandbox) -> None:
    sandbox.faults.add({"method": "POST", "action": {"fail": "internal_error"}})
    with pytest.raises(AirflowException):
        run.execute()
    assert run.execute()
    assert (len(paid(sandbox)), len(names(sandbox))) == (2, 1)


def test_an_error_body_about_the_content_rules_ends_the_task_for_good(run: TaskRun, sandbox: Sandbox) -> None:
    lie(sandbox, {"code": "invalid-argument", "error": "Rejected by content moderation."}, 3, 400)
    with pytest.raises(AirflowFailException, match="moderation"):
        run.execute()
    assert len(paid(sandbox)) == 1


@pytest.mark.parametrize("action", [{"drop": "before"}, {"status": 503}, {"status": 429}, {"truncate": 3}])
def test_polls_that_are_lost_eight_times_do_not_lose_the_job(
    run: TaskRun, sandbox: Sandbox, action: dict[str, Any], connect_once: Callable[[], None]
) -> None:
    connect_once()
    for kind in ("images", "videos"):
        sandbox.faults.add({"method": "GET", "path": f"/v1/{kind}/*", "times": 8, "action": action})
    assert run.execute()
    assert len(paid(sandbox)) == 1


def test_twenty_429s_on_polls_do_not_lose_the_job(
    run: TaskRun, sandbox: Sandbox, connect_once: Callable[[], None]
) -> None:
    connect_once()
    for kind in ("images", "videos"):
        sandbox.faults.add({"method": "GET", "path": f"/v1/{kind}/*", "times": 20, "action": {"status": 429}})
    assert run.execute()
    assert len(paid(sandbox)) == 1


def test_a_job_that_is_unknown_for_a_while_is_waited_for_and_not_bought_again(run: TaskRun, sandbox: Sandbox) -> None:
    for kind in ("images", "videos"):
        sandbox.faults.add({"method": "GET", "path": f"/v1/{kind}/*", "times": 20, "action": {"status": 404}})
    assert run.execute()
    assert (len(paid(sandbox)), len(sandbox.ledger.charges), len(names(sandbox))) == (1, 1, 1)


def test_a_retry_after_of_a_year_on_a_poll_delays_it_by_minutes_and_does_not_lose_the_job(
    run: TaskRun, sandbox: Sandbox, time: Time
) -> None:
    order = {"method": "GET", "action": {"status": 429, "headers": {"Retry-After": "31536000"}}}
    for kind in ("images", "videos"):
        sandbox.faults.add({**order, "path": f"/v1/{kind}/*"})
    assert run.execute()
    assert max(time.slept) <= 600
    assert len(paid(sandbox)) == 1
