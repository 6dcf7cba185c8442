"""Batches: how they stand, how they are filled, found, listed and cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_grok.api import batch_requests, batches, errors, images, jobs, polling
from airflow_provider_grok.api.batches import Batch

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
DAY = 86_400.0


def batch(**fields: Any) -> Batch:
    return Batch.parse({"batch_id": "batch_1", "expire_time": "2026-11-23", **fields}, "test")


def row(id: str, prompt: str = "a mug", **options: Any) -> dict[str, Any]:
    body = images.generation_body(prompt=prompt, model="grok-imagine-image", **options)
    return batch_requests.request(id, "image_generation", body)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"state": {"num_requests": 3, "num_pending": 1, "num_success": 2}}, "running"),
        ({"state": {"num_requests": 3, "num_success": 2, "num_error": 1}}, "finished"),
        ({"state": {"num_requests": 3, "num_pending": 0, "num_success": 3}}, "finished"),
        ({"state": {"num_requests": 3}}, "running"),
        ({}, "empty"),
        ({"state": None}, "empty"),
        ({"state": {}, "input_file_id": "file_1"}, "loading"),
        ({"cancel_time": "2026-11-22", "state": {"num_requests": 3, "num_pending": 3}}, "cancelled"),
        ({"cancel_time": "2026-11-22", "cancel_by_xai_message": "JSONL file validation failed"}, "failed"),
        ({"cancel_time": "", "cancel_by_xai_message": "", "state": {"num_requests": 1, "num_pending": 1}}, "running"),
        ({"expire_time": "2026-11-21", "state": {"num_requests": 1, "num_pending": 1}}, "expired"),
        ({"expire_time": "2026-11-21", "state": {"num_requests": 1, "num_success": 1}}, "finished"),
        ({"expire_time": "2026-11-22T11:59:59Z", "state": {"num_requests": 1, "num_pending": 1}}, "expired"),
        ({"expire_time": "whenever", "state": {"num_requests": 1, "num_pending": 1}}, "running"),
    ],
)
def test_how_a_batch_stands_is_derived_for_it_has_no_status(fields: dict[str, Any], status: str) -> None:
    assert batch(**fields).status(NOON) == status


def test_a_bare_date_lasts_to_the_end_of_its_day() -> None:
    running = batch(expire_time="2026-11-22", state={"num_requests": 1, "num_pending": 1})
    assert running.status(NOON + DAY / 2 - 1) == "running"
    assert running.status(NOON + DAY / 2 + 1) == "expired"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-22", NOON - DAY / 2),
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22T14:00:00+02:00", NOON),
        ("2026-11-22T12:00:00.5Z", NOON + 0.5),
        ("2026-11-22T12:00:00.500000000Z", NOON + 0.5),
        ("", None),
        ("soon", None),
        ("12:00", None),
    ],
)
def test_dates_are_read_bare_and_in_full(text: str, seconds: float | None) -> None:
    assert batches.moment(text) == seconds


def test_progress_is_told_in_words() -> None:
    state = {"num_requests": 500, "num_pending": 88, "num_success": 409, "num_error": 3}
    progress = batches.progress(batch(state=state), NOON)
    assert (progress.state, progress.note) == ("pending", "412 of 500 done, 3 failed")


@pytest.mark.parametrize("ended", [{"cancel_time": "2026-11-22"}, {"expire_time": "2026-11-20"}])
def test_any_end_is_done_for_there_may_be_results(ended: dict[str, Any]) -> None:
    progress = batches.progress(batch(state={"num_requests": 2, "num_pending": 1, "num_success": 1}, **ended), NOON)
    assert progress.state == "done"


def test_a_batch_that_xai_refused_as_a_whole_failed_with_its_words() -> None:
    words = "JSONL file validation failed: Model grok-4.5 is not supported for batch processing."
    progress = batches.progress(batch(cancel_by_xai_message=words), NOON)
    assert progress.state == "failed"
    assert "Model grok-4.5 is not supported" in str(progress.failure)


def test_a_look_goes_by_the_servers_own_date(ask: Any, script: Any) -> None:
    answer = '{"batch_id": "b", "expire_time": "2026-11-20", "state": {"num_requests": 2, "num_pending": 1}}'
    script.say(200, answer, date="Thu, 19 Nov 2026 10:00:00 GMT")
    script.say(200, answer, date="Sat, 21 Nov 2026 10:00:00 GMT")
    assert [ask(batches.poll("b")).state for _ in range(2)] == ["pending", "done"]


@pytest.mark.parametrize("batch_id", ["", "../x", "a/b", None, 7])
def test_what_is_no_batch_id_never_reaches_a_path(batch_id: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="is no batch id"):
        batches.get(batch_id)


def test_what_is_billed_is_marked_as_paid_and_never_repeated(ask: Any, script: Any) -> None:
    assert batches.add("b", [row("1")]).paid
    assert batches.create("n", "file_1").paid
    assert not batches.create("n").paid
    for call in (batches.create("n"), batches.add("b", [row("1")])):
        script.say(503, "{}")
        with pytest.raises(errors.ServerUnavailable):
            ask(call)
    assert len(script.requests) == 2


def test_a_cancel_may_be_repeated(ask: Any, script: Any) -> None:
    script.say(503, "{}")
    script.say(200, '{"batch_id": "b", "cancel_time": "2026-11-22"}')
    assert ask(batches.cancel("b")).cancel_time
    assert b"POST /v1/batches/b:cancel " in script.requests[1]


def test_an_error_under_a_status_of_success_is_an_error(ask: Any, script: Any) -> None:
    script.say(200, '{"code": "invalid-argument", "error": "duplicate batch_request_id"}')
    with pytest.raises(errors.InvalidArgument):
        ask(batches.add("b", [row("1")]))


def test_an_empty_answer_to_an_addition_is_no_yes(ask: Any, script: Any) -> None:
    script.say(200, "{}")
    assert ask(batches.add("b", [row("1")])) is None
    script.say(200, "")
    with pytest.raises(errors.ResponseLost):
        ask(batches.add("b", [row("1")]))


def test_batches_are_found_by_exact_name_newest_first_over_all_pages(ask: Any, script: Any) -> None:
    script.say(
        200, '{"batches": [{"batch_id": "1", "name": "n", "create_time": "2026-11-20"}], "pagination_token": "t"}'
    )
    script.say(
        200,
        '{"batches": [{"batch_id": "2", "name": "n", "create_time": "2026-11-21T00:00:00Z"},'
        ' {"batch_id": "3", "name": "n2"}], "pagination_token": null}',
    )
    assert [found.batch_id for found in ask(batches.find("n"))] == ["2", "1"]
    assert b"pagination_token=t" in script.requests[1]


@pytest.mark.parametrize("token", ['""', "null", '"t"'])
def test_a_listing_ends_however_its_end_is_shown(ask: Any, script: Any, token: str) -> None:
    script.say(200, f'{{"batches": [{{"batch_id": "1"}}], "pagination_token": {token}}}')
    script.say(200, f'{{"batches": [{{"batch_id": "1"}}], "pagination_token": {token}}}')
    assert len(ask(batches.listing())) == 1


def test_the_requests_of_a_batch_are_read_page_by_page(ask: Any, script: Any) -> None:
    script.say(200, '{"batch_request_metadata": [{"batch_request_id": "a"}], "pagination_token": "t"}')
    script.say(200, '{"batch_request_metadata": [{"batch_request_id": "b", "state": "failed"}]}')
    assert ask(batches.request_ids("b")) == {"a", "b"}


def test_the_order_in_which_requests_were_added_is_kept(ask: Any, script: Any) -> None:
    script.say(200, '{"batch_request_metadata": [{"batch_request_id": "b"}, {"batch_request_id": "a"}]}')
    assert ask(batches.request_order("b")) == ["b", "a"]


def test_counts_are_complete_where_the_server_leaves_some_out() -> None:
    counts = {"requests": 3, "pending": 1, "succeeded": 2, "failed": 0, "cancelled": 0}
    assert batch(state={"num_requests": 3, "num_success": 2}).state.counts() == counts


def test_what_it_cost_is_read_where_the_server_says_so() -> None:
    assert batch(cost_breakdown={"total_cost_usd_ticks": 5}).ticks == 5
    assert batch(cost_breakdown="?").ticks is None


def test_a_batch_lives_from_its_making_to_its_end(carry: Any, sandbox: Any) -> None:
    made = carry(batches.create("nightly"))
    assert made.status(carry.time.now()) == "empty"
    for chunk in batch_requests.chunks([row(f"row-{index}") for index in range(3)]):
        carry(batches.add(made.batch_id, chunk))
    assert carry(batches.request_ids(made.batch_id)) == {"row-0", "row-1", "row-2"}
    progress = carry(polling.wait(jobs.Job("batch", made.batch_id, carry.time.now())))
    assert (progress.state, progress.result.state.num_success) == ("done", 3)
    assert [found.batch_id for found in carry(batches.find("nightly"))] == [made.batch_id]
    assert sandbox.ledger.total_ticks == 3 * 200_000_000


def test_a_cancelled_batch_takes_nothing_more(carry: Any) -> None:
    made = carry(batches.create("nightly"))
    carry(batches.add(made.batch_id, [row("row-0")]))
    assert carry(batches.cancel(made.batch_id)).status(carry.time.now()) == "cancelled"
    assert carry(batches.cancel(made.batch_id)).cancel_time
    with pytest.raises(errors.ApiError):
        carry(batches.add(made.batch_id, [row("row-1")]))


def test_an_unknown_batch_is_not_found(carry: Any) -> None:
    with pytest.raises(errors.NotFound):
        carry(batches.get("batch_00000000-0000-4000-8000-000000000000"))
