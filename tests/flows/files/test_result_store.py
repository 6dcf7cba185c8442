"""What was made is kept: fetched where the server did not store it, shared where it made no link."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_grok.api import files, wire
from airflow_provider_grok.flows.files.result_store import ResultStore, StoredResult, with_link
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import Time, names
from tests.purchase_run import Shop

Store = Callable[..., str]
POST = {"method": "POST", "path": "/v1/images/generations"}


def test_a_picture_that_was_not_stored_is_fetched_and_stored_under_its_name(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    bought = shop.buy(expires_after=7200)
    assert [row.filename for row in bought.rows] == names(sandbox)
    assert bought.rows[0].expires_at is not None
    assert shop.charges == 1


def test_one_of_three_pictures_that_was_not_stored_is_rescued_and_no_other_taken_for_it(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": [0]}})
    bought = shop.buy(fields={"n": 3})
    assert len(set(bought.file_ids)) == 3
    assert len(names(sandbox)) == 3
    assert shop.charges == 1


def test_a_rescue_that_was_cut_short_is_finished_by_the_next_try(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    shop.die(3, torn=True)
    bought = shop.buy()
    assert (shop.charges, len(names(sandbox)), len(bought.file_ids)) == (1, 1, 1)


def test_a_picture_that_can_neither_be_stored_nor_fetched_is_a_row_with_its_reason(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": "bucket on fire"}})
    sandbox.faults.add({"path": "/v1/files", "method": "POST", "action": {"status": 413}})
    (row,) = shop.buy().rows
    assert row.file_id is None
    assert "bucket on fire" in (row.reason or "")
    assert "413" in (row.reason or "")
    assert "billed" not in (row.reason or "")
    assert shop.store.phases[-1] == "submitted"


@pytest.mark.parametrize("status", [400, 403, 413])
def test_a_picture_that_a_person_has_to_help_is_fetched_later_and_not_bought_again(
    shop: Shop, sandbox: Sandbox, status: int
) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    sandbox.faults.add({"path": "/v1/files", "method": "POST", "times": 2, "action": {"status": status}})
    assert [shop.buy().file_ids for _ in range(2)] == [[], []]
    bought = shop.buy()
    assert [row.filename for row in bought.rows] == names(sandbox)
    assert shop.charges == 1


def test_a_picture_whose_link_has_died_is_bought_again(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    sandbox.faults.add({"path": "/imgen/*", "action": {"status": 404}})
    (row,) = shop.buy().rows
    assert (row.reason or "").startswith("lost: ")
    assert shop.buy().file_ids
    assert shop.charges == 2


def test_a_link_that_failed_is_made_by_the_share_call(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.faults.add({**POST, "action": {"public_url_error": True}})
    (row,) = shop.buy(share=7200).rows
    assert row.public_url
    assert row.reason is None
    assert [one["json"] for one in sandbox.journal if one["path"].endswith("/public-url")] == [{"expires_after": 7200}]
    assert shop.charges == 1


# -- public URLs of stored results ---------------------------------------------------------------------------------

HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("file_lives", "had", "asked", "made"),
    [
        (None, 7 * DAY, 7 * DAY, {}),
        (None, 4 * DAY, 7 * DAY, {}),
        (None, 3 * DAY, 7 * DAY, {"expires_after": 7 * DAY}),
        (None, 5 * HOUR, True, {"expires_after": 30 * DAY}),
        (10 * DAY, 6 * DAY, True, {}),
        (10 * DAY, 4 * DAY, True, {"expires_after": 10 * DAY - 6}),
        (3 * HOUR, 2 * HOUR, 2 * DAY, {}),
        (3 * HOUR, HOUR, 2 * DAY, {"expires_after": 3 * HOUR - 6}),
    ],
)
def test_a_public_url_with_less_than_half_of_the_asked_time_left_is_made_anew(
    sandbox: Sandbox,
    time: Time,
    store: Store,
    file_lives: int | None,
    had: int,
    asked: int | bool,
    made: dict[str, int],
) -> None:
    end = GrokHook().endpoint
    file_id = store(**({} if file_lives is None else {"expires_after": str(file_lives)}))
    wire.run(end, files.share(file_id, had))
    row = StoredResult.of_file(wire.run(end, files.get(file_id)))
    before = len(sandbox.journal)
    again = wire.run(end, with_link(ResultStore(end, "hero.png", None, asked), row))
    sent = [one["json"] for one in sandbox.journal[before:]]
    assert sent == ([made] if made else [])
    assert again.public_url == row.public_url
    assert again.reason is None
    assert (again.public_url_expires_at == row.public_url_expires_at) is (not made)


def test_a_public_url_that_has_ended_is_made_anew(sandbox: Sandbox, time: Time, store: Store) -> None:
    end = GrokHook().endpoint
    file_id = store()
    wire.run(end, files.share(file_id, HOUR))
    row = StoredResult.of_file(wire.run(end, files.get(file_id)))
    sandbox.clock.advance(2 * HOUR)
    again = wire.run(end, with_link(ResultStore(end, "hero.png", None, DAY), row))
    assert again.public_url_expires_at == pytest.approx(sandbox.clock.now() + DAY, abs=2)


def test_a_dead_public_url_is_not_told_as_a_living_one(sandbox: Sandbox, time: Time, store: Store) -> None:
    end = GrokHook().endpoint
    file_id = store()
    wire.run(end, files.share(file_id, HOUR))
    row = StoredResult.of_file(wire.run(end, files.get(file_id)))
    sandbox.clock.advance(2 * HOUR)
    sandbox.faults.add({"method": "POST", "path": "/v1/files/*", "action": {"status": 400, "body": {"error": "no"}}})
    again = wire.run(end, with_link(ResultStore(end, "hero.png", None, DAY), row))
    assert (again.file_id, again.public_url) == (file_id, None)
    assert "without its public link" in (again.reason or "")


# -- results by link are whole -------------------------------------------------------------------------------------


def test_a_picture_that_was_cut_off_is_fetched_again(shop: Shop, sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    half = {"status": 200, "body": "\u00ff\u00d8\u00ff\u00e0 half", "headers": {"content-type": "image/jpeg"}}
    sandbox.faults.add({"path": "/imgen/*", "action": half})
    bought = shop.buy()
    assert [row.filename for row in bought.rows] == names(sandbox)
    assert shop.charges == 1
