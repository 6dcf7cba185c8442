"""The video operators: what they send, what they refuse, one charge whatever dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_provider_grok.operators.videos import (
    GrokImagineVideoEditOperator,
    GrokImagineVideoExtendOperator,
    GrokImagineVideoOperator,
)
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked, event_of, names, paid

Store = Callable[..., str]
POST = {"method": "POST", "path": "/v1/videos/*"}


def video(**arguments: Any) -> TaskRun:
    return TaskRun(GrokImagineVideoOperator, **{"task_id": "film", "prompt": "waves", "duration": 1, **arguments})


@pytest.fixture
def clip(sandbox: Sandbox, time: Time) -> str:
    """A stored video of three seconds."""
    file_id: str = video(model="grok-imagine-video", duration=3, task_id="source").execute()
    return file_id


def sent(sandbox: Sandbox) -> dict[str, Any]:
    body: dict[str, Any] = paid(sandbox)[-1]["json"]
    return body


def test_a_video_is_made_stored_and_returned_by_its_id(sandbox: Sandbox, time: Time) -> None:
    run = video(share=True)
    file_id = run.execute()
    (name,) = names(sandbox)
    assert run.receipt["files"][0]["file_id"] == file_id
    assert name.startswith("shop.film.")
    assert name.endswith(".mp4")
    assert run.xcom["public_url"].endswith(".mp4")
    assert run.receipt["usage"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks == 800_000_000
    assert sent(sandbox) == {
        "model": "grok-imagine-video-1.5",
        "prompt": "waves",
        "duration": 1,
        "resolution": "480p",
        "storage_options": {"filename": name, "public_url": {"expires_after": 7 * 86400}},
    }


def test_a_picture_becomes_a_video_by_its_id(sandbox: Sandbox, store: Store, time: Time) -> None:
    source = store()
    run = video(image=source, prompt=None, generate_audio="False", duration="1")
    assert run.execute()
    assert sent(sandbox)["image"] == {"file_id": source}
    assert sent(sandbox)["generate_audio"] is False
    assert "prompt" not in sent(sandbox)
    assert run.receipt["request"]["sources"] == [source]


def test_a_video_is_edited_and_lengthened_by_its_id(sandbox: Sandbox, clip: str) -> None:
    edited = TaskRun(GrokImagineVideoEditOperator, prompt="at night", video=clip)
    longer = TaskRun(GrokImagineVideoExtendOperator, prompt="and on", video=edited.execute(), duration="2")
    assert longer.execute()
    edit, extension = (one["json"] for one in paid(sandbox)[-2:])
    assert (edit["video"], "duration" in edit) == ({"file_id": clip}, False)
    assert extension["duration"] == 2
    assert edited.receipt["request"]["sources"] == [clip]
    assert len(sandbox.ledger.charges) == 3


@pytest.mark.parametrize("torn", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("write", [1, 2, 3], ids=["intended", "submitted", "done"])
def test_a_worker_killed_at_any_write_is_followed_by_one_that_returns_the_same_file(
    sandbox: Sandbox, time: Time, write: int, torn: bool
) -> None:
    run = video()
    run.kill(write, torn=torn)
    assert run.execute()
    assert (len(sandbox.ledger.charges), len(names(sandbox))) == (1, 1)


def test_a_lost_answer_is_found_by_name(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "after"}})
    assert video().execute()
    assert (len(sandbox.ledger.charges), len(paid(sandbox))) == (1, 1)


def test_a_request_that_never_arrived_is_sent_again_after_ten_minutes(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POST, "action": {"drop": "before"}})
    assert video().execute()
    assert len(sandbox.ledger.charges) == 1
    assert sum(time.slept) >= 600


def test_a_video_that_was_not_stored_is_rescued(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POST, "action": {"storage_error": True}})
    assert video().execute()
    assert len(asked(sandbox, "POST", "/v1/files")) == 1
    assert len(sandbox.ledger.charges) == 1


def test_a_video_is_waited_for_without_a_worker(sandbox: Sandbox, time: Time) -> None:
    run = video(deferrable=True)
    trigger = run.defer()
    assert trigger.job.kind == "video"
    assert run.resume(event_of(trigger))
    assert len(sandbox.ledger.charges) == 1


@pytest.mark.parametrize(("on_moderated", "error"), [("fail", AirflowFailException), ("skip", AirflowSkipException)])
@pytest.mark.parametrize("action", [{"moderate": True}, {"moderate": "placeholder"}])
def test_moderation_fails_or_skips_with_its_cost(
    sandbox: Sandbox, time: Time, on_moderated: str, error: type[Exception], action: dict[str, Any]
) -> None:
    sandbox.faults.add({**POST, "action": action})
    run = video(on_moderated=on_moderated)
    with pytest.raises(error, match="moderation"):
        run.execute()
    assert run.receipt["usage"]["cost_in_usd_ticks"] == sandbox.ledger.total_ticks
    assert len(paid(sandbox)) == 1


def test_a_video_is_waited_for_an_hour(sandbox: Sandbox, time: Time) -> None:
    assert video(deferrable=True).defer().deadline == pytest.approx(sandbox.clock.now() + 3600, abs=1)


def test_a_cost_limit_counts_seconds_and_size(sandbox: Sandbox, time: Time) -> None:
    with pytest.raises(AirflowFailException, match=r"about 2\.0000 USD.*max_cost_usd=1\.99"):
        video(duration=8, resolution="1080p", max_cost_usd="1.99").execute()
    assert {one["method"] for one in sandbox.journal} == {"GET"}


BAD: dict[str, tuple[type[Any], dict[str, Any], list[str]]] = {
    "16 seconds": (GrokImagineVideoOperator, {"prompt": "x", "duration": 16}, ["duration=16", "1 to 15"]),
    "an unknown size": (GrokImagineVideoOperator, {"prompt": "x", "resolution": "4K"}, ["resolution='4K'", "1080p"]),
    "nothing to begin with": (GrokImagineVideoOperator, {}, ["prompt"]),
    "a list for one picture": (GrokImagineVideoOperator, {"image": ["file_1"]}, ["image=", ".expand(image=...)"]),
    "a path": (GrokImagineVideoOperator, {"image": "/a/b.png"}, ["image='/a/b.png'", "GrokUploadOperator"]),
    "no references": (
        GrokImagineVideoOperator,
        {"prompt": "x", "reference_images": "[[]]"},
        ["reference_images=", "1 to 14", "got 0"],
    ),
    "sound that is neither": (
        GrokImagineVideoOperator,
        {"prompt": "x", "generate_audio": "loud"},
        ["generate_audio='loud'"],
    ),
    "a list of videos": (
        GrokImagineVideoEditOperator,
        {"prompt": "x", "video": ["file_1", "file_2"]},
        ["video=", ".expand(video=...)"],
    ),
    "a local video": (
        GrokImagineVideoEditOperator,
        {"prompt": "x", "video": "a.mp4"},
        ["video='a.mp4'", "GrokUploadOperator"],
    ),
    "no prompt": (GrokImagineVideoEditOperator, {"prompt": " ", "video": "file_1"}, ["prompt"]),
    "sixteen more seconds": (
        GrokImagineVideoExtendOperator,
        {"prompt": "x", "video": "file_1", "duration": 16},
        ["duration=16", "1 to 15"],
    ),
    "59 minutes": (
        GrokImagineVideoExtendOperator,
        {"prompt": "x", "video": "file_1", "expires_after": 3540},
        ["59 minutes", "1 hour to 30 days"],
    ),
}


@pytest.mark.parametrize(("operator", "arguments", "words"), BAD.values(), ids=BAD.keys())
def test_what_can_be_known_is_refused_before_anything_is_sent(
    sandbox: Sandbox, operator: type[Any], arguments: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        TaskRun(operator, task_id="x", **arguments).execute()
    for word in words:
        assert word in str(caught.value)
    assert sandbox.journal == []


@pytest.mark.parametrize(
    "arguments", [{"model": "grok-imagine-video-9"}, {"image": "file_gone"}], ids=["unknown model", "file that is gone"]
)
def test_what_the_server_does_not_know_is_named_and_nothing_is_billed(
    sandbox: Sandbox, arguments: dict[str, str]
) -> None:
    with pytest.raises(AirflowFailException) as caught:
        video(**arguments).execute()
    for value in arguments.values():
        assert value in str(caught.value)
    assert sandbox.ledger.charges == []


def test_fifteen_references_are_refused_by_the_server_at_once_and_unbilled(sandbox: Sandbox, store: Store) -> None:
    with pytest.raises(AirflowFailException, match="Maximum allowed is 14"):
        video(reference_images=[store()] * 15).execute()
    assert sandbox.ledger.charges == []


def test_fourteen_references_and_the_shortest_and_longest_extension_are_made(
    sandbox: Sandbox, store: Store, time: Time, clip: str
) -> None:
    assert video(reference_images=[store()] * 14).execute()
    for seconds in (1, 15):
        assert TaskRun(GrokImagineVideoExtendOperator, prompt="on", video=clip, duration=seconds).execute()


def test_a_passing_failure_leaves_the_retry_to_airflow(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({**POST, "action": {"fail": "service_unavailable"}})
    run = video()
    with pytest.raises(AirflowException) as caught:
        run.execute()
    assert not isinstance(caught.value, AirflowFailException)
    assert run.execute()
    assert len(sandbox.ledger.charges) == 1


@pytest.mark.parametrize(
    "operator", [GrokImagineVideoOperator, GrokImagineVideoEditOperator, GrokImagineVideoExtendOperator]
)
def test_template_fields_are_arguments_of_the_same_name_kept_as_they_were_given(operator: type[Any]) -> None:
    given = {field: f"{{{{ {field} }}}}" for field in operator.template_fields}
    made = operator(task_id="x", **given)
    assert {field: getattr(made, field) for field in operator.template_fields} == given


def test_video_operators_can_be_mapped() -> None:
    with DAG("shop", schedule=None):
        films = GrokImagineVideoOperator.partial(task_id="film", duration=4).expand(prompt=["a", "b"])
        GrokImagineVideoEditOperator.partial(task_id="edit", prompt="night").expand(video=films.output)
        GrokImagineVideoExtendOperator.partial(task_id="more").expand_kwargs([{"video": "file_1", "prompt": "x"}])
