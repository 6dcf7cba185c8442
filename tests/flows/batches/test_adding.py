"""Adding requests to a batch, on a server that loses, lags, takes half or refuses: every row is bought once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.api import batch_requests
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, asked
from tests.batch_run import Settle, ask, persisting, submission
from tests.flows.batches.test_changed_lists import charged, rows
from tests.flows.batches.test_input_files import line
from tests.proxy import Proxy

ADD, CREATE = "/v1/batches/*/requests", "/v1/batches"
ONCE_EACH = {f"row-{number}": 1 for number in range(5)}


@pytest.fixture(autouse=True)
def quick(settle: Settle, time: Time) -> None:
    """Batches are done at once, and time is virtual."""


def test_a_server_that_takes_3_of_5_gets_the_other_2(sandbox: Sandbox, proxy: Proxy) -> None:
    calls: list[int] = []

    def half(body: Any) -> Any:
        calls.append(len(body["batch_requests"]))
        return {"batch_requests": body["batch_requests"][:3]} if len(calls) == 1 else body

    proxy.request("POST", ADD, half)
    run = submission(rows(5))
    batch = run.execute()
    assert calls == [5, 2]
    assert charged(sandbox) == ONCE_EACH
    assert run.receipt["counts"] == {"requests": 5, "added": 5}
    assert len(persisting(batch).execute()) == 5


def test_a_server_that_never_takes_the_rest_is_told_and_the_next_try_goes_on(sandbox: Sandbox, proxy: Proxy) -> None:
    broken = [True]
    taken: list[Any] = []

    def some(body: Any) -> Any:
        wanted = [one for one in body["batch_requests"] if not one["batch_request_id"].startswith("row-4.")]
        taken.extend(wanted)
        return {"batch_requests": wanted} if broken[0] else body

    proxy.request("POST", ADD, some)
    run = submission(rows(5))
    with pytest.raises(AirflowException, match=r"has 4 of 5 requests, though all were sent.*row-4") as failed:
        run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert run.receipt["billed"]["cost_in_usd_ticks"] >= sandbox.ledger.total_ticks
    broken[0] = False
    run.execute()
    assert charged(sandbox) == ONCE_EACH


def test_a_list_that_lags_by_minutes_after_a_lost_answer_buys_nothing_twice(
    sandbox: Sandbox, proxy: Proxy, time: Time
) -> None:
    """The added requests show three minutes later, in the list and in the counter."""
    start = time.now()
    sandbox.faults.add({"method": "POST", "path": ADD, "action": {"drop": "after"}})

    def lag_list(status: int, document: Any) -> tuple[int, Any]:
        empty: dict[str, Any] = {"batch_request_metadata": [], "pagination_token": None}
        return status, document if time.now() > start + 180 else empty

    def lag_count(status: int, document: Any) -> tuple[int, Any]:
        if time.now() <= start + 180:
            document["state"] = dict.fromkeys(document["state"], 0)
        return status, document

    proxy.answer("GET", ADD, lag_list)
    proxy.answer("GET", "/v1/batches/batch_*[0-9a-f]", lag_count)
    run = submission(rows(5))
    for _ in range(5):
        try:
            batch = run.execute()
        except AirflowException as error:
            assert not isinstance(error, AirflowFailException)
        else:
            break
    assert charged(sandbox) == ONCE_EACH
    assert len(persisting(batch).execute()) == 5


def test_a_worker_stays_a_minute_and_then_fails_retryably(sandbox: Sandbox, proxy: Proxy, time: Time) -> None:
    def lag(status: int, document: Any) -> tuple[int, Any]:
        return status, {"batch_request_metadata": document["batch_request_metadata"][:3], "pagination_token": None}

    proxy.answer("GET", ADD, lag)
    run = submission(rows(5))
    with pytest.raises(AirflowException) as failed:
        run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert sum(time.slept) < 200
    proxy.answers.clear()
    run.execute()
    assert charged(sandbox) == ONCE_EACH


def test_a_413_halves_the_chunk(sandbox: Sandbox) -> None:
    action = {"status": 413, "body": {"code": "too-large", "error": "Payload too large"}}
    sandbox.faults.add({"method": "POST", "path": ADD, "times": 2, "action": action})
    submission(rows(5)).execute()
    assert charged(sandbox) == ONCE_EACH
    sizes = [len(one["json"]["batch_requests"]) for one in asked(sandbox, "POST", "/requests")]
    assert sizes == [5, 2, 1, 1, 3]


def test_a_request_that_is_too_large_alone_stops_the_batch(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_requests, "chunks", partial(batch_requests.chunks, max_count=3))
    action = {"status": 413, "body": {"code": "x", "error": "Too large"}}
    sandbox.faults.add({"method": "POST", "path": ADD, "skip": 1, "times": None, "action": action})
    run = submission(rows(5))
    with pytest.raises(AirflowFailException, match="Too large; 3 requests had been added before"):
        run.execute()
    assert run.receipt["counts"] == {"requests": 5, "added": 3}
    assert run.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks


def test_a_404_right_after_the_batch_was_made_is_waited_out(sandbox: Sandbox, time: Time) -> None:
    action = {"status": 404, "body": {"code": "not-found", "error": "Batch not found"}}
    sandbox.faults.add({"method": "POST", "path": ADD, "times": 4, "action": action})
    run = submission(rows(5))
    run.execute()
    assert charged(sandbox) == ONCE_EACH
    assert 0 < sum(time.slept) <= 60
    assert len(asked(sandbox, "POST", "/v1/batches")) == 1


def test_a_duplicate_id_means_that_the_request_is_there(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_requests, "chunks", partial(batch_requests.chunks, max_count=3))
    # The answer is lost by something that says, falsely, that nothing was done.
    body = {"code": "invalid-argument", "error": "batch_requests[0]: duplicate batch_request_id."}
    sandbox.faults.add({"method": "POST", "path": ADD, "action": {"status": 400, "body": body, "after": True}})
    submission(rows(5)).execute()
    assert charged(sandbox) == ONCE_EACH


@pytest.mark.parametrize("appears", [True, False])
def test_a_file_batch_whose_creation_was_lost_is_looked_for_ten_minutes(
    sandbox: Sandbox, proxy: Proxy, time: Time, tmp_path: Path, appears: bool
) -> None:
    path = tmp_path / "night.jsonl"
    path.write_text("".join(line(f"row-{number}", prompt=f"look {number}") for number in range(5)))
    start = time.now()
    sandbox.faults.add({"method": "POST", "path": CREATE, "action": {"drop": "after" if appears else "before"}})

    def lag(status: int, document: Any) -> tuple[int, Any]:
        return status, document if time.now() > start + 400 else {**document, "batches": []}

    proxy.answer("GET", CREATE, lag)
    run = submission(input_file=str(path))
    tries = 0
    while tries < 20:
        tries, began = tries + 1, time.now()
        try:
            batch = run.execute()
        except AirflowException as error:
            assert "had no answer" in str(error)
            assert not isinstance(error, AirflowFailException)
            assert time.now() - began < 90
        else:
            break
    assert tries > 3
    assert charged(sandbox) == ONCE_EACH
    assert time.now() - start >= (400 if appears else 600)
    assert len(persisting(batch).execute()) == 5


def test_an_empty_batch_of_a_dead_run_is_filled_under_the_cap(sandbox: Sandbox) -> None:
    run = submission(rows(5), max_cost_usd=0.25)
    run.kill(2, torn=True)
    (empty,) = ask(sandbox, "GET", "/batches")["batches"]
    assert empty["state"]["num_requests"] == 0
    run.arguments["max_cost_usd"] = 0.1
    with pytest.raises(AirflowFailException, match=r"5 requests would cost about 0\.2000 USD, more than"):
        run.execute()
    assert not sandbox.ledger.charges
    run.arguments["max_cost_usd"] = 0.2
    assert run.execute() == empty["batch_id"]
    assert charged(sandbox) == ONCE_EACH


def test_what_was_noted_and_never_sent_does_not_fill_the_cap(sandbox: Sandbox) -> None:
    run = submission(rows(5), max_cost_usd=0.2)
    run.kill(2)
    assert run.execute()
    assert charged(sandbox) == ONCE_EACH
    assert run.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks


def test_billed_is_never_less_than_the_ledger(sandbox: Sandbox, settle: Settle) -> None:
    settle(batch_seconds=100)
    run = submission(rows(4))
    run.execute()
    sandbox.clock.advance(45)
    ask(sandbox, "POST", f"/batches/{run.receipt['request_id']}:cancel")
    settle(batch_seconds=0)
    run.arguments["requests"] = rows(6)
    batch = run.execute()
    kept = persisting(batch)
    kept.execute()
    billed = [one.receipt["billed"]["cost_in_usd_ticks"] for one in (run, kept)]
    assert billed[1] == 0
    assert sum(billed) >= sandbox.ledger.total_ticks
    assert kept.receipt["usage"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks
    assert kept.receipt["usage"]["estimated"] is False
    assert kept.receipt["billed"] == {
        "cost_in_usd_ticks": 0,
        "cost_usd": 0.0,
        "estimated": False,
        "moderation_ticks": 0,
    }


def test_a_413_of_what_is_sent_again_takes_back_nothing_that_had_arrived(
    sandbox: Sandbox, proxy: Proxy, time: Time
) -> None:
    """The list lags, so what had arrived is sent again, and a gateway finds that too large."""
    action = {"status": 413, "body": {"code": "too-large", "error": "Payload too large"}}
    sandbox.faults.add({"method": "POST", "path": ADD, "skip": 1, "times": 1, "action": action})
    proxy.answer("GET", ADD, lambda status, _: (status, {"batch_request_metadata": [], "pagination_token": None}))
    run = submission(rows(5))
    with pytest.raises(AirflowException, match="has requests of this list already") as failed:
        run.execute()
    assert not isinstance(failed.value, AirflowFailException)
    assert run.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks
    proxy.answers.clear()
    run.execute()
    assert charged(sandbox) == ONCE_EACH


def test_an_empty_list_takes_nothing_off_the_bill(sandbox: Sandbox, proxy: Proxy, settle: Settle, time: Time) -> None:
    """List and counters lag, so the batch looks empty to a later try."""
    settle(batch_storage=False)

    def empty(status: int, document: Any) -> tuple[int, Any]:
        return status, {"batch_request_metadata": [], "pagination_token": None}

    def uncounted(status: int, document: Any) -> tuple[int, Any]:
        for one in document.get("batches", [document]):
            if "state" in one:
                one["state"] = dict.fromkeys(one["state"], 0)
        return status, document

    run = submission(rows(5))
    run.execute()
    proxy.answer("GET", ADD, empty)
    proxy.answer("GET", "/v1/batches*", uncounted)
    with pytest.raises(AirflowException, match="has requests of this list already"):
        run.execute()
    assert run.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks
    run.arguments["max_cost_usd"] = 0.1
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        run.execute()
    assert run.receipt["billed"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks
    assert charged(sandbox) == ONCE_EACH
