"""Jobs: the pace of looking, what is borne, what is believed, and when to give up."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import errors, images, jobs, polling
from airflow_provider_grok.api.kinds import Kind

BODY = {"model": "grok-imagine-image", "prompt": "a mug"}
DONE = '{"status": "done", "data": [{"url": "https://imgen.x.ai/a.jpeg"}]}'
ODD = '{"code": "invalid-argument", "error": "no status here"}'


@pytest.fixture
def job(ask: Any) -> jobs.Job:
    return jobs.Job("image", "r1", ask.time.now())


@pytest.mark.parametrize(
    ("kind", "age", "seconds"),
    [
        *[("image", 0, 0.5), ("image", 60, 3.0), ("image", 900, 5.0)],
        *[("video", 10, 2.0), ("video", 100, 5.0), ("video", 9000, 15.0)],
        *[("batch", 0, 5.0), ("batch", 600, 30.0), ("batch", 86400, 60.0)],
    ],
)
def test_the_pace_follows_the_age_within_the_bounds_of_the_kind(kind: Kind, age: float, seconds: float) -> None:
    pauses = [polling.interval(kind, age) for _ in range(50)]
    assert all(0.9 * seconds <= pause <= 1.1 * seconds for pause in pauses)
    assert len(set(pauses)) > 1


def test_a_fixed_interval_wins_over_the_pace() -> None:
    assert 6.3 <= polling.interval("image", 10_000, poll_interval=7) <= 7.7


def test_a_job_is_waited_for_in_a_twentieth_of_its_time(carry: Any, sandbox: Any) -> None:
    accepted = carry(images.generate(BODY))
    start = carry.time.now()
    assert carry(polling.wait(jobs.Job("image", accepted.job_id, start))).state == "done"
    assert carry.time.now() - start < 2


def test_a_day_long_batch_costs_about_1500_looks() -> None:
    age, looks = 0.0, 0
    while age < 86_400:
        age, looks = age + polling.interval("batch", age), looks + 1
    assert 1300 < looks < 1700


def test_news_are_reported_once_each_with_the_time_that_is_left(ask: Any, script: Any) -> None:
    job = jobs.Job("video", "r1", ask.time.now() - 100)
    for body in ('{"progress": 10}', '{"progress": 10}', "", '{"progress": 50}', '{"progress": 0}'):
        script.say(202, body)
    script.say(200, '{"status": "done", "video": {"url": "https://vidgen.x.ai/a.mp4"}}')
    notes: list[str] = []
    ask(polling.wait(job, report=notes.append))
    assert [note.split(",")[0] for note in notes] == ["10 %", "50 %", "0 %"]
    assert notes[0] == "10 %, about 15 min left"


@pytest.mark.parametrize(
    ("done", "age", "said"),
    [
        *[(0.5, 60, "so far, about 60 s left"), (0.25, 600, "so far, about 30 min left")],
        *[(None, 60, "so far"), (0.0, 60, "so far"), (1.0, 60, "so far"), (0.5, 0, "so far")],
    ],
)
def test_the_time_left_is_told_only_where_it_can_be_known(done: float | None, age: float, said: str) -> None:
    assert jobs.words(jobs.Progress("pending", note="so far", done=done), age) == said


def test_eight_lost_looks_in_a_row_are_borne(ask: Any, script: Any, job: jobs.Job) -> None:
    for _ in range(8 * 5):
        script.say(503, '{"error": "later"}')
    script.say(200, DONE)
    assert ask(polling.wait(job)).state == "done"


def test_the_ninth_lost_look_in_a_row_is_the_waiters(ask: Any, script: Any, job: jobs.Job) -> None:
    for _ in range(9 * 5):
        script.say(503, '{"error": "later"}')
    with pytest.raises(errors.ServerUnavailable):
        ask(polling.wait(job))
    assert len(script.requests) == 45


def test_looks_that_come_back_are_forgiven_the_lost_ones() -> None:
    patience = polling.ErrorBudget()
    for _ in range(5):
        for _ in range(8):
            patience.record_error(errors.ResponseLost("x"))
        patience.record_success(jobs.Progress("pending"))
    assert patience.lost == 0


def test_a_refusal_is_not_borne(ask: Any, script: Any, job: jobs.Job) -> None:
    script.say(403, '{"code": "permission-denied", "error": "Not yours"}')
    with pytest.raises(errors.PermissionDenied):
        ask(polling.wait(job))
    assert len(script.requests) == 1


def test_a_single_odd_answer_is_not_believed(ask: Any, script: Any, job: jobs.Job) -> None:
    script.say(200, ODD)
    script.say(400, ODD)
    script.say(200, DONE)
    assert ask(polling.wait(job)).state == "done"


def test_odd_answers_in_a_row_are_believed_after_half_a_minute(ask: Any, script: Any, job: jobs.Job) -> None:
    for _ in range(100):
        script.say(200, ODD)
    assert ask(polling.wait(job)).state == "failed"
    assert len(script.requests) > 3
    assert ask.time.now() - job.submitted_at >= 30


def test_a_wait_ends_at_its_deadline_after_one_more_look(ask: Any, script: Any, job: jobs.Job) -> None:
    for _ in range(30):
        script.say(202)
    with pytest.raises(errors.JobTimeout, match=r"image job r1 was not finished 10 s after .* `timeout`") as caught:
        ask(polling.wait(job, deadline=job.submitted_at + 10))
    assert caught.value.billed is None
    assert ask.time.now() == pytest.approx(job.submitted_at + 10)


def test_a_deadline_that_has_passed_still_allows_one_look(ask: Any, script: Any, job: jobs.Job) -> None:
    script.say(200, DONE)
    assert ask(polling.wait(job, deadline=job.submitted_at - 1)).state == "done"


def test_a_server_that_wants_to_be_left_alone_is(ask: Any, script: Any, job: jobs.Job) -> None:
    script.say(429, '{"error": "slow down"}', retry_after="300")
    script.say(200, DONE)
    ask(polling.wait(job))
    assert ask.slept == [300.0]
