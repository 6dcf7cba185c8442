"""The hook's plain names, as a `@task` uses them, and its refusal to buy by mere `run`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import batches, errors, files, images
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import StateStore, TaskInstance, Time, asked, names, paid, picture

Store = Callable[..., str]
CALL = images.generate(images.generation_body(prompt="a red bicycle", model="grok-imagine-image"))


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> StateStore:
    """A task that is running, and its store."""
    kept = StateStore()
    context = {"ti": TaskInstance("make"), "task_state_store": kept}
    monkeypatch.setattr("airflow.sdk.get_current_context", lambda: context)
    return kept


def test_run_asks_for_what_costs_nothing(sandbox: Sandbox, store: Store) -> None:
    file_id = store()
    assert GrokHook().run(files.get(file_id)).filename == "hero.png"
    assert asyncio.run(GrokHook().arun(files.get(file_id))).filename == "hero.png"


def test_run_refuses_what_costs_money_and_names_what_does_not(sandbox: Sandbox) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"costs money.*hook\.buy\(\.\.\.\), or hook\.abuy"):
        GrokHook().run(CALL)
    with pytest.raises(errors.InvalidRequest, match="costs money"):
        asyncio.run(GrokHook().arun(CALL))
    assert sandbox.journal == []


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (batches.create("x", "file_1"), "GrokBatchOperator"),
        (batches.add("batch_1", []), "GrokBatchOperator"),
        (files.get("file_1"), r"hook\.run"),
    ],
)
def test_buy_takes_pictures_and_videos_only(sandbox: Sandbox, call: Any, instead: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=f"cannot be bought: {instead}"):
        GrokHook().buy(call)
    with pytest.raises(errors.InvalidRequest, match=f"cannot be bought: {instead}"):
        asyncio.run(GrokHook().abuy(call))
    assert sandbox.journal == []


def test_an_option_that_does_not_exist_is_refused_by_name(sandbox: Sandbox) -> None:
    for make in (GrokHook().video, GrokHook().generate):
        with pytest.raises(errors.InvalidRequest, match="colour"):
            make(prompt="x", colour="red")
    assert sandbox.journal == []


def test_buy_in_a_task_is_one_purchase_however_often_it_runs(sandbox: Sandbox, task: StateStore) -> None:
    first = GrokHook().buy(CALL)
    second = asyncio.run(GrokHook().abuy(CALL))
    assert first.file_ids == second.file_ids
    assert len(sandbox.ledger.charges) == 1


def test_a_key_tells_equal_requests_of_a_task_apart(sandbox: Sandbox, task: StateStore) -> None:
    bought = [GrokHook().buy(CALL, key=key).file_ids for key in ("front", "back", "front")]
    assert bought[0] == bought[2] != bought[1]
    assert len(sandbox.ledger.charges) == 2


def test_different_requests_of_a_task_do_not_forget_each_other(sandbox: Sandbox, task: StateStore) -> None:
    hook = GrokHook()
    first = [hook.generate(prompt=prompt) for prompt in ("a", "b", "c")]
    assert [hook.generate(prompt=prompt) for prompt in ("a", "b", "c")] == first
    assert len(sandbox.ledger.charges) == 3


def test_buy_outside_a_task_is_a_purchase_each_time(sandbox: Sandbox) -> None:
    assert GrokHook().buy(CALL).file_ids != GrokHook().buy(CALL).file_ids


def test_buy_takes_the_operators_terms(sandbox: Sandbox, task: StateStore) -> None:
    bought = GrokHook().buy(CALL, filename="poster.png", expires_after=timedelta(hours=2), share=True)
    (row,) = bought.rows
    assert (row.filename or "").startswith("poster.")
    assert row.public_url
    with pytest.raises(errors.CostLimit):
        GrokHook().buy(CALL, key="second", max_cost_usd=0.01)
    with pytest.raises(errors.InvalidRequest, match="no options of a purchase"):
        GrokHook().buy(CALL, retries=3)


def test_buy_raises_what_the_job_failed_of(sandbox: Sandbox, task: StateStore) -> None:
    sandbox.faults.add({"method": "POST", "action": {"moderate": True}})
    with pytest.raises(errors.JobModerated):
        GrokHook().buy(CALL)


def test_the_whole_job_in_plain_names(sandbox: Sandbox, task: StateStore, tmp_path: Path) -> None:
    hook = GrokHook()
    source = hook.upload(str(picture(tmp_path / "hero.png")), expires_after="86400")
    red = hook.edit(prompt="red", image=source, quality="low")
    both = hook.edit(prompt="both", images=[source, red], n=2, expires_after=7200)
    url = hook.share(both[0])
    assert url.startswith("http")
    assert hook.download(red, f"{tmp_path}/out/") == f"{tmp_path}/out/{names(sandbox)[1]}"
    assert hook.unshare(both[0])
    assert not hook.unshare(both[0])
    hook.delete(both[1])
    hook.delete(both[1])
    assert [file.id for file in hook.list_files()] == [both[0], red, source]


def test_the_same_content_is_uploaded_once(sandbox: Sandbox, tmp_path: Path) -> None:
    path = str(picture(tmp_path / "hero.png"))
    assert GrokHook().upload(path) == GrokHook().upload(path)
    assert len(asked(sandbox, "POST")) == 1


def test_a_link_ends_after_a_week_or_with_its_file(sandbox: Sandbox, store: Store) -> None:
    hook = GrokHook()
    for file_id in (store(), store(expires_after="7200"), store()):
        hook.share(file_id, **({"expires_after": None} if len(asked(sandbox, "POST", "-url")) == 2 else {}))
    assert [one["json"] for one in asked(sandbox, "POST", "/public-url")] == [{"expires_after": 7 * 86400}, {}, {}]


def test_files_can_be_listed_by_age_and_link(sandbox: Sandbox, store: Store, time: Time) -> None:
    hook = GrokHook()
    old = store("old.png")
    hook.share(old)
    sandbox.backend.store.change("UPDATE files SET created_at = created_at - 86400")
    new = store("new.png")
    assert [file.id for file in hook.list_files(older_than=timedelta(hours=1))] == [old]
    assert [file.id for file in hook.list_files(shared=True)] == [old]
    assert [file.id for file in hook.list_files(shared=False)] == [new]
    assert [file.id for file in hook.list_files('name = "new"', limit=5)] == [new]
    assert [file.id for file in hook.list_files(limit=1)] == [new]


def test_a_video_is_made_by_its_plain_name(sandbox: Sandbox, task: StateStore, time: Time) -> None:
    file_id = GrokHook().video(prompt="waves", duration=1)
    assert GrokHook().run(files.get(file_id)).filename.endswith(".mp4")
    assert paid(sandbox)[0]["json"]["duration"] == 1
    assert len(sandbox.ledger.charges) == 1
