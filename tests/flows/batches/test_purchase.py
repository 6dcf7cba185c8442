"""One batch, whatever dies: found again by id or by name, filled with what is missing, never paid for twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.api import batch_requests
from airflow_provider_grok.operators.batches import GrokBatchCancelOperator, generate_image
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Killed, TaskRun, Time, asked
from tests.batch_run import Settle, Store, ask, edits, persisting, submission, user_id

CREATE = {"method": "POST", "path": "/v1/batches"}
ADD = {"method": "POST", "path": "/v1/batches/*/requests"}
MODERATED = {**ADD, "action": {"moderate": True}}


@pytest.fixture
def in_threes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payloads of three requests."""
    monkeypatch.setattr(batch_requests, "chunks", partial(batch_requests.chunks, max_count=3))


def made(sandbox: Sandbox) -> list[dict[str, Any]]:
    """All batches, newest first."""
    found: list[dict[str, Any]] = ask(sandbox, "GET", "/batches")["batches"]
    return found


def sent_ids(sandbox: Sandbox) -> list[str]:
    """The user's ids of all requests in calls that were carried out."""
    calls = [one for one in asked(sandbox, "POST", "/requests") if one["status"] == 200]
    return [user_id(entry["batch_request_id"]) for call in calls for entry in call["json"]["batch_requests"]]


def cancel(batch_id: str) -> None:
    TaskRun(GrokBatchCancelOperator, task_id="cancel", batch_id=batch_id).execute()


@pytest.mark.parametrize("torn", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("write", [1, 2, 3], ids=["intended", "submitted", "done"])
def test_a_worker_killed_at_any_write_leaves_one_batch_with_all_requests(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, write: int, torn: bool
) -> None:
    run = submission(edits(store(), 4))
    run.kill(write, torn=torn)
    batch = run.execute()
    (only,) = made(sandbox)
    assert (only["batch_id"], only["state"]["num_success"]) == (batch, 4)
    assert sorted(sent_ids(sandbox)) == [f"row-{number}" for number in range(4)]
    assert run.store.phases[-1] == "done"


def test_a_lost_answer_is_found_by_name(sandbox: Sandbox, settle: Settle, store: Store, time: Time) -> None:
    sandbox.faults.add({**CREATE, "action": {"drop": "after"}})
    batch = submission(edits(store(), 2)).execute()
    assert [one["batch_id"] for one in made(sandbox)] == [batch]


def test_a_creation_that_never_arrived_is_sent_again(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    sandbox.faults.add({**CREATE, "action": {"drop": "before"}})
    batch = submission(edits(store(), 2)).execute()
    assert [one["batch_id"] for one in made(sandbox)] == [batch]
    assert sum(time.slept) == pytest.approx(15, abs=1)


@pytest.mark.parametrize("action", [{"drop": "before"}, {"drop": "after"}, {"status": 500}])
def test_a_lost_addition_is_made_good_with_what_is_missing(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, in_threes: None, action: dict[str, Any]
) -> None:
    sandbox.faults.add({**ADD, "skip": 1, "action": action})
    submission(edits(store(), 8)).execute()
    (only,) = made(sandbox)
    assert only["state"]["num_requests"] == only["state"]["num_success"] == 8
    assert len(sandbox.ledger.charges) == 8


def test_a_process_that_dies_between_two_payloads_is_gone_on_from(
    sandbox: Sandbox, settle: Settle, store: Store, in_threes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submission(edits(store(), 8))
    whole = batch_requests.chunks

    def one_and_dead(*of: Any) -> Iterator[Any]:
        yield next(whole(*of))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(batch_requests, "chunks", one_and_dead)
        with pytest.raises(Killed):
            run.execute()
    assert len(sent_ids(sandbox)) == 3
    batch = run.execute()
    assert sorted(sent_ids(sandbox)) == [f"row-{number}" for number in range(8)]
    assert [one["batch_id"] for one in made(sandbox)] == [batch]
    assert run.receipt["counts"] == {"requests": 8, "added": 5}


def test_additions_that_keep_failing_are_left_to_the_next_try(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, in_threes: None
) -> None:
    run = submission(edits(store(), 5))
    sandbox.faults.add({**ADD, "skip": 1, "times": 3, "action": {"status": 503}})
    with pytest.raises(AirflowException, match="503"):
        run.execute()
    run.execute()
    assert len(made(sandbox)) == 1
    assert sorted(sent_ids(sandbox)) == [f"row-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Argument not supported: seed"),
        (400, "Rejected by content moderation."),
        (404, "File file_1 not found."),
    ],
)
def test_requests_that_the_server_refuses_stop_the_batch_that_can_never_be_whole(
    sandbox: Sandbox, settle: Settle, store: Store, in_threes: None, status: int, words: str
) -> None:
    settle(batch_seconds=3600)
    sandbox.faults.add({**ADD, "skip": 1, "action": {"status": status, "body": {"code": "x", "error": words}}})
    run = submission(edits(store(), 5))
    with pytest.raises(AirflowFailException, match="3 requests had been added before") as failed:
        run.execute()
    assert words.rstrip(".") in str(failed.value)
    assert "It was not billed" in str(failed.value)
    (only,) = made(sandbox)
    assert only["cancel_time"]
    assert only["state"]["num_cancelled"] == 3
    assert run.receipt["counts"] == {"requests": 5, "added": 3}
    assert run.receipt["request_id"] == only["batch_id"]


def test_a_second_run_of_the_task_takes_the_same_batch(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    run = submission(edits(store(), 2))
    batch = run.execute()
    assert run.execute() == batch
    assert run.receipt["reused"] is True
    assert len(sandbox.ledger.charges) == 2


def test_changed_requests_are_a_new_batch_and_the_log_says_so(
    sandbox: Sandbox, settle: Settle, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run = submission(edits(store(), 2))
    first = run.execute()
    run.arguments["requests"] = [generate_image("row-0", prompt="something else")]
    assert run.execute() != first
    assert f"differ from those of batch {first}" in capsys.readouterr().out


def test_another_life_of_the_results_is_no_new_batch(settle: Settle, store: Store) -> None:
    run = submission(edits(store(), 2), expires_after=7200)
    first = run.execute()
    run.arguments["expires_after"] = 3600
    assert run.execute() == first


def test_a_cleared_task_buys_anew_only_with_reuse_attempt(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    requests = edits(store(), 1)
    for reuse, batches in (("run", 1), ("attempt", 2), ("always", 1)):
        run = submission(requests, reuse=reuse, of={"run_id": f"run of {reuse}"})
        first = run.execute()
        assert run.execute() == first
        run.clear()
        assert (run.execute() == first) is (batches == 1)


def test_always_means_any_batch_of_this_name_while_the_results_live(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    requests = edits(store(), 3)
    first = submission(requests, reuse="always", name="looks").execute()
    other = submission(requests, reuse="always", name="looks", of={"dag_id": "studio", "run_id": "tuesday"})
    assert other.execute() == first
    assert other.receipt["reused"] is True
    gone = persisting(first).execute()[1]
    ask(sandbox, "DELETE", f"/files/{gone}")
    again = submission(requests, reuse="always", name="looks", of={"run_id": "wednesday"})
    second = again.execute()
    assert second != first
    assert again.receipt["counts"] == {"requests": 3, "added": 1}
    assert gone not in persisting(second).execute()
    assert len(sandbox.ledger.charges) == 4


def test_a_cancelled_batch_is_gone_on_from_with_what_has_no_result(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_seconds=100)
    run = submission(edits(store(), 10))
    first = run.execute()
    sandbox.clock.advance(45)
    cancel(first)
    settle(batch_seconds=0)
    second = run.execute()
    assert second != first
    assert run.receipt["counts"] == {"requests": 10, "added": 6}
    assert len({one["name"] for one in made(sandbox)}) == 1
    assert len(sandbox.ledger.charges) == 10
    assert len(set(persisting(second).execute())) == 10


@pytest.mark.parametrize("write", [1, 2, 3])
def test_a_death_while_going_on_from_a_cancelled_batch_buys_nothing_twice(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time, write: int
) -> None:
    settle(batch_seconds=100)
    run = submission(edits(store(), 10))
    first = run.execute()
    sandbox.clock.advance(45)
    cancel(first)
    settle(batch_seconds=0)
    run.kill(write)
    second = run.execute()
    assert run.execute() == second
    assert len(sandbox.ledger.charges) == 10
    assert len(set(persisting(second).execute())) == 10


def test_a_lost_answer_while_going_on_does_not_find_the_cancelled_batch(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_seconds=100)
    run = submission(edits(store(), 4))
    cancel(run.execute())
    settle(batch_seconds=0)
    sandbox.faults.add({**CREATE, "action": {"drop": "before"}})
    assert len(set(persisting(run.execute()).execute())) == 4


def test_moderated_requests_of_a_cancelled_batch_are_not_bought_again(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    sandbox.faults.add({**MODERATED, "only": ["row-1"]})
    run = submission(edits(store(), 3))
    first = run.execute()
    ask(sandbox, "GET", f"/batches/{first}")
    cancel(first)
    assert run.execute() == first
    assert len(sandbox.ledger.charges) == 3


def test_what_failed_in_passing_is_bought_again_when_a_person_clears_the_task(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    sandbox.faults.add({**ADD, "only": ["row-1"], "action": {"fail": "internal_error"}})
    run = submission(edits(store(), 3))
    first = run.execute()
    assert len(persisting(first).execute()) == 2
    run.clear()
    second = run.execute()
    assert run.receipt["counts"] == {"requests": 3, "added": 1}
    assert run.receipt["usage"]["cost_usd"] == 0.07
    assert len(persisting(second).execute()) == 3
    assert len(sandbox.ledger.charges) == 3


def test_what_an_earlier_batch_cost_counts_against_the_cap_of_the_next(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    sandbox.faults.add({**ADD, "only": ["row-1"], "action": {"fail": "internal_error"}})
    run = submission(edits(store(), 3), max_cost_usd=0.21)
    persisting(run.execute()).execute()
    with pytest.raises(AirflowFailException, match=r"1 requests would cost about 0\.0700 USD after 0\.2100 USD before"):
        run.execute()
    assert len(made(sandbox)) == 1


def test_a_batch_that_expired_is_bought_again_as_far_as_it_was_not_done(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_seconds=2 * 86_400)
    run = submission(edits(store(), 4))
    first = run.execute()
    sandbox.clock.advance(3 * 86_400)
    settle(batch_seconds=0)
    assert ask(sandbox, "GET", f"/batches/{first}")["state"]["num_error"] == 2
    again = run.execute()
    assert len(set(persisting(again).execute())) == 4


def test_a_batch_that_the_server_forgot_is_looked_for_by_name(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    run = submission(edits(store(), 2))
    first = run.execute()
    sandbox.faults.add({"method": "GET", "path": f"/v1/batches/{first}", "action": {"status": 404}})
    assert run.execute() == first


def test_mapped_tasks_have_batches_of_their_own(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    requests = edits(store(), 1)
    ids = {submission(requests, of={"map_index": index}).execute() for index in range(3)}
    assert len(ids) == 3


def test_a_worker_killed_for_good_cancels_the_half_filled_batch(
    sandbox: Sandbox, settle: Settle, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.flows.batches.test_cancel import task_is

    settle(batch_seconds=3600)
    task_is(monkeypatch, "failed")
    run = submission(edits(store(), 2))
    operator = run.fresh()
    operator.execute(run.context)
    operator.on_kill()
    assert made(sandbox)[0]["state"]["num_cancelled"] == 2
