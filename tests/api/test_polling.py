"""What each kind of answer to a poll means, and when the next poll is: decided without a server, over virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import errors, jobs, polling
from airflow_provider_grok.api.kinds import KINDS, Kind

START = 1_795_000_000.0
DONE = jobs.Progress("done")
PENDING = jobs.Progress("pending")
FAILED = errors.JobFailed("video", "r1", "invalid-argument", "no such thing")
MODERATED = errors.JobModerated("video", "r1", "imagine:content-moderated", "rejected by content moderation")


def api_error(status: int, retry_after: float | None = None, message: str = "no") -> errors.ApiError:
    return errors.refusal(
        "GET", "/v1/videos/r1", status, b'{"error": "%s"}' % message.encode(), request_id=None, paid=False,
        retry_after=retry_after,
    )  # fmt: skip


class Polls:
    """A wait that is fed answers, each at the moment when the decision before wanted it."""

    def __init__(self, kind: Kind = "video", **options: Any) -> None:
        self.state = polling.PollingState(jobs.Job(kind, "r1", START), **options)
        self.now, self.count = START, 0

    def feed(self, answer: jobs.Progress | errors.GrokError, times: int = 1) -> polling.Decision:
        for _ in range(times):
            self.count += 1
            if isinstance(answer, errors.GrokError):
                decision = self.state.on_error(answer, self.now)
            else:
                decision = self.state.on_status(answer, self.now)
            if decision.action != "poll":
                return decision
            assert decision.at > self.now
            self.waited, self.now = decision.at - self.now, decision.at
        return decision

    def until_over(self, answer: jobs.Progress | errors.GrokError, most: int = 5000) -> polling.Decision:
        decision = self.feed(answer, most)
        assert decision.action != "poll"
        return decision


@pytest.fixture
def polls() -> Polls:
    return Polls(deadline=START + 3600)


def test_a_job_that_is_done_is_done_and_one_that_failed_has_failed(polls: Polls) -> None:
    assert polls.feed(DONE) == polling.Decision("done", START, DONE)
    failed = Polls().feed(jobs.Progress("failed", failure=FAILED))
    assert (failed.action, failed.error, failed.progress and failed.progress.failure) == ("failed", None, FAILED)


def test_a_job_that_was_submitted_and_is_unknown_is_polled_until_its_deadline(polls: Polls) -> None:
    decision = polls.until_over(api_error(404))
    assert (decision.action, polls.now) == ("give_up", START + 3600)
    assert isinstance(decision.error, errors.NotFound)
    assert polls.count > 200


def test_a_404_that_passes_ends_nothing(polls: Polls) -> None:
    assert polls.feed(api_error(404), 100).action == "poll"
    assert polls.feed(DONE).action == "done"


@pytest.mark.parametrize("kind", ["image", "video", "batch"])
def test_without_a_deadline_an_unknown_job_is_polled_for_the_usual_timeout_of_its_kind(kind: Kind) -> None:
    polls = Polls(kind)
    assert isinstance(polls.until_over(api_error(404)).error, errors.NotFound)
    assert START + KINDS[kind].timeout <= polls.now <= START + KINDS[kind].timeout + 80


def test_three_passing_400s_end_nothing(polls: Polls) -> None:
    refused = jobs.Progress("failed", failure=FAILED, odd=True, refused=True)
    for _ in range(20):
        assert polls.feed(refused, 3).action == "poll"
        assert polls.feed(PENDING).action == "poll"
    assert polls.feed(DONE).action == "done"


@pytest.mark.parametrize("kind", ["image", "video", "batch"])
@pytest.mark.parametrize("interval", [None, 1.0, 20.0])
def test_a_400_is_believed_after_more_than_three_in_a_row_and_half_a_minute(kind: Kind, interval: float | None) -> None:
    polls = Polls(kind, deadline=START + 3600, poll_interval=interval)
    refused: Any = jobs.Progress("failed", failure=FAILED, odd=True, refused=True)
    decision = polls.until_over(api_error(400) if kind == "batch" else refused)
    assert decision.action == "failed"
    assert polls.count > 3
    assert 30 <= polls.now - START <= 30 + 70


def test_400s_that_lasted_until_the_deadline_are_believed_there() -> None:
    polls = Polls(deadline=START + 15, poll_interval=1)
    refused = jobs.Progress("failed", failure=FAILED, odd=True, refused=True)
    assert polls.until_over(refused).action == "failed"
    assert polls.now == START + 15


def test_a_400_that_speaks_of_moderation_is_the_end(polls: Polls) -> None:
    decision = polls.feed(jobs.Progress("failed", failure=MODERATED, odd=True, refused=True))
    assert (decision.action, decision.progress and decision.progress.failure) == ("failed", MODERATED)


def test_a_200_with_an_error_body_and_no_status_is_believed_after_half_a_minute(polls: Polls) -> None:
    odd = jobs.Progress("failed", failure=FAILED, odd=True)
    start = polls.now
    assert polls.feed(odd, 2).action == "poll"
    while polls.feed(odd).action == "poll":
        pass
    assert polls.now - start >= 30


@pytest.mark.parametrize("retry_after", [None, 0.0, 2.0, float("nan")])
def test_a_429_is_no_lost_poll_but_a_queue_until_the_deadline(polls: Polls, retry_after: float | None) -> None:
    assert polls.feed(api_error(429, retry_after), 50).action == "poll"
    decision = polls.until_over(api_error(429, retry_after))
    assert (decision.action, polls.now) == ("give_up", START + 3600)
    assert isinstance(decision.error, errors.JobTimeout)


def test_a_429_that_names_no_time_is_followed_by_pauses_that_grow_and_differ() -> None:
    first = [Polls("image").feed(api_error(429), 1).at - START for _ in range(20)]
    assert 0.9 <= min(first) < max(first) <= 1.1
    polls = Polls("image")
    polls.feed(api_error(429), 12)
    assert 27 <= polls.waited <= 33


@pytest.mark.parametrize(("asked", "waited"), [(40.0, 40.0), (31_536_000.0, 300.0), (float("inf"), 300.0)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_postpones_the_connection_within_bounds(
    polls: Polls, asked: float, waited: float, status: int
) -> None:
    decision = polls.feed(api_error(status, asked))
    assert decision.at == decision.rest_until == START + waited


def test_retry_after_does_not_go_past_the_deadline() -> None:
    assert Polls(deadline=START + 10).feed(api_error(429, 60)).at == START + 10


def test_nine_lost_polls_in_a_row_are_the_error(polls: Polls) -> None:
    for _ in range(3):
        assert polls.feed(errors.ResponseLost("x"), 8).action == "poll"
        assert polls.feed(PENDING).action == "poll"
    assert polls.feed(errors.Unreachable("x"), 8).action == "poll"
    decision = polls.feed(api_error(503))
    assert decision.action == "failed"
    assert isinstance(decision.error, errors.ServerUnavailable)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_the_error_at_once(polls: Polls, status: int) -> None:
    assert polls.feed(api_error(status)).action == "failed"


def test_a_wait_is_given_up_at_its_deadline_with_the_last_that_was_seen() -> None:
    polls = Polls(deadline=START + 10, name="a.mp4")
    polls.feed(jobs.Progress("pending", note="20 %"), 1)
    decision = polls.until_over(PENDING)
    assert (decision.action, polls.now) == ("give_up", START + 10)
    assert "last seen: 20 %" in str(decision.error)
    assert "a.mp4" in str(decision.error)


@pytest.mark.parametrize("video", ["null", "{}", "[]", '"x"', '{"url": 7}', '{"url": null, "duration": "long"}'])
def test_done_is_an_end_whatever_video_holds(ask: Any, script: Any, video: str) -> None:
    script.say(200, f'{{"status": "done", "video": {video}}}')
    ended = ask(polling.wait(jobs.Job("video", "r1", ask.time.now())))
    assert ended.state == "failed"
    assert "holds no video" in str(ended.failure)
    assert len(script.requests) == 1
