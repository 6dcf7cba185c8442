"""The batch operator: what it sends, what it refuses before anything is sent, and what it says."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.api import batch_requests
from airflow_provider_grok.operators.batches import (
    GrokBatchCancelOperator,
    GrokBatchOperator,
    GrokPersistOperator,
    edit_image,
    generate_image,
    generate_video,
)
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked
from tests.batch_run import Settle, Store, ask, content, edits, submission, user_id
from tests.dag_run import RunDag

LINE = {"method": "POST", "url": "/v1/images/generations", "body": {"model": "grok-imagine-image", "prompt": "a bike"}}


def lines(*entries: dict[str, Any]) -> str:
    return "".join(
        json.dumps({"custom_id": f"row-{number}", **LINE, **entry}) + "\n" for number, entry in enumerate(entries)
    )


def test_requests_go_into_one_batch_and_the_id_comes_back_at_once(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    settle(batch_seconds=3600)
    run = submission(edits(store(), 3))
    batch = ask(sandbox, "GET", f"/batches/{run.execute()}")
    assert (batch["state"]["num_requests"], batch["state"]["num_pending"]) == (3, 3)
    assert batch["name"].startswith("shop.batch.")
    assert time.slept == []
    assert run.receipt["counts"] == {"requests": 3, "added": 3}
    assert run.receipt["usage"] == {"cost_in_usd_ticks": 2_100_000_000, "cost_usd": 0.21, "estimated": True}
    assert run.receipt["reused"] is False


def test_every_result_is_asked_to_be_stored_under_a_name_of_its_own(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    submission(edits(store(), 2), name="nightly", expires_after=7200, share=3600).execute()
    (sent,) = asked(sandbox, "POST", "/requests")
    options = [one["batch_request"]["image_edit"]["storage_options"] for one in sent["json"]["batch_requests"]]
    assert [one["filename"].split(".")[0] for one in options] == ["nightly", "nightly"]
    assert [one["filename"].split(".")[2] for one in options] == ["row-0", "row-1"]
    assert all(one["expires_after"] == 7200 and one["public_url"] == {"expires_after": 3600} for one in options)


def test_all_kinds_of_requests_are_taken(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    from airflow_provider_grok.operators.batches import edit_video, extend_video

    image = store()
    film = [
        generate_video("film", prompt="waves", duration=3),
        generate_video("from-picture", image=image, duration="2"),
    ]
    batch = submission([*film, generate_image("new", prompt="a bike", n=2), *edits(image, 1)]).execute()
    counts = ask(sandbox, "GET", f"/batches/{batch}")["state"]
    assert (counts["num_success"], counts["num_requests"]) == (4, 4)
    results = ask(sandbox, "GET", f"/batches/{batch}/results")["results"]
    (video,) = [one["batch_result"] for one in results if user_id(one["batch_request_id"]) == "film"]
    clip = video["response"]["video_generation"]["video"]["file_output"]["file_id"]
    again = submission([edit_video("e", prompt="at night", video=clip), extend_video("x", prompt="on", video=clip)])
    assert ask(sandbox, "GET", f"/batches/{again.execute()}")["state"]["num_success"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "either requests= .* or input_file="),
        ({"requests": [], "input_file": "x.jsonl"}, "either requests= .* or input_file="),
        ({"requests": []}, "no requests"),
        ({"requests": "row"}, "requests is a str, not a list"),
        ({"requests": [{"prompt": "x"}]}, r"requests\[0\] is no request: .* Make it with edit_image"),
        ({"requests": [generate_image("a", prompt="x")] * 2}, r"requests\[1\]: id 'a' is there twice"),
        ({"requests": [generate_image("a b/ä", prompt="x")]}, "id 'a b/ä' must have 1 to 128 letters"),
        ({"requests": [generate_image("", prompt="x")]}, "id ''"),
        (
            {"requests": [generate_image("a", prompt="x", model="grok-imagine-video")]},
            "does not serve image_generation",
        ),
        (
            {"requests": [generate_image("a", prompt="x", model="grok-imagine-image-9")]},
            "'a': model='grok-imagine-image-9'",
        ),
        (
            {"requests": [generate_video("a", prompt="x", model="grok-imagine-video-9")]},
            "'a': model='grok-imagine-video-9'",
        ),
        ({"requests": [generate_video("a", prompt="x", duration=16)]}, r"requests\[0\] \(a\): duration=16"),
        (
            {"requests": [edit_image("a", prompt="x", image=["f", "g"])]},
            r"requests\[0\] \(a\): image= takes one source",
        ),
        ({"requests": [edit_image("a", prompt="x", image="./hero.png")]}, "upload it first"),
        ({"requests": [generate_image("a", prompt="x" * 5000)]}, "'a': The prompt has 5000 characters"),
        ({"requests": [generate_image("a", prompt="x")], "reuse": "never"}, "reuse='never'"),
        ({"requests": [generate_image("a", prompt="x")], "expires_after": 60}, "1 hour to 30 days"),
    ],
)
def test_what_cannot_be_is_refused_in_words_before_anything_is_sent(
    sandbox: Sandbox, settle: Settle, arguments: dict[str, Any], said: str
) -> None:
    run = TaskRun(GrokBatchOperator, task_id="batch", **arguments)
    with pytest.raises(AirflowFailException, match=said):
        run.execute()
    assert not asked(sandbox, "POST")


def test_a_request_over_25_mb_is_refused_before_anything_is_sent(sandbox: Sandbox, settle: Settle) -> None:
    huge = edit_image("a", prompt="x", image="file_1", user="A" * 25_000_000)
    with pytest.raises(AirflowFailException, match=r"25 MB.*Upload its sources"):
        submission([huge]).execute()
    assert not sandbox.journal


@pytest.mark.parametrize(
    "body",
    [
        {"image_edit": {"image": {"url": "data:image/png;base64,AAAA"}}},
        {"image_edit": {"images": [{"file_id": "file_1"}, {"url": "data:image/png;base64,AAAA"}]}},
        {"video_generation": {"keyframes": [{"image": {"url": "data:image/png;base64,AAAA"}, "timestamp_s": 1}]}},
    ],
)
def test_bytes_do_not_travel_in_a_batch_either(sandbox: Sandbox, settle: Settle, body: dict[str, Any]) -> None:
    ((kind, fields),) = body.items()
    model = "grok-imagine-video-1.5" if kind.startswith("video") else "grok-imagine-image-2.0"
    entry = {"batch_request_id": "a", "batch_request": {kind: {"prompt": "x", "model": model, **fields}}}
    with pytest.raises(AirflowFailException, match="upload it first with GrokUploadOperator"):
        submission([entry]).execute()
    assert not sandbox.journal


def test_sources_in_the_form_of_the_api_are_taken_and_the_rest_is_read_as_ever(
    sandbox: Sandbox, settle: Settle, store: Store
) -> None:
    frame = {"image": {"file_id": store()}, "timestamp_s": "1.5"}
    picture = generate_image("a", prompt="x", n="2")
    film = generate_video("b", keyframes=[frame], duration="2")
    edit = edit_image("c", prompt="x", image={"file_id": frame["image"]["file_id"], "type": "image_url"})  # type: ignore[index]
    batch = submission([picture, film, edit]).execute()
    assert ask(sandbox, "GET", f"/batches/{batch}")["state"]["num_success"] == 3


def test_a_batch_may_be_called_by_a_number(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    batch = submission(edits(store(), 1), name=5).execute()
    assert ask(sandbox, "GET", f"/batches/{batch}")["name"].startswith("5.")


def test_the_cost_limit_counts_the_batch_as_a_whole(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    requests = edits(store(), 3)
    with pytest.raises(AirflowFailException, match=r"3 requests would cost about 0\.2100 USD, more than .*=0\.2\."):
        submission(requests, max_cost_usd="0.2").execute()
    assert not asked(sandbox, "POST", "/batches")
    assert submission(requests, max_cost_usd=0.21).execute()


def test_a_jsonl_file_is_stored_watched_until_it_is_loaded_and_done(
    sandbox: Sandbox, settle: Settle, time: Time, tmp_path: Path
) -> None:
    settle(batch_seconds=40)
    path = tmp_path / "night.jsonl"
    path.write_text(lines({}, {}), encoding="utf-8")
    run = submission(input_file=str(path))
    batch = ask(sandbox, "GET", f"/batches/{run.execute()}")
    assert (batch["state"]["num_requests"], batch["state"]["num_pending"]) == (2, 2)
    assert 10 <= sum(time.slept) <= 20
    stored = content(sandbox, batch["input_file_id"]).splitlines()
    assert ["storage_options" in json.loads(line)["body"] for line in stored] == [True, True]


@pytest.mark.parametrize("scheme", ["file://", "memory:/"])
def test_a_jsonl_file_may_lie_in_an_object_storage(
    sandbox: Sandbox, settle: Settle, memory: None, tmp_path: Path, scheme: str
) -> None:
    from airflow.sdk import ObjectStoragePath

    url = f"{scheme}{tmp_path}/night.jsonl"
    place: Any = ObjectStoragePath(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        file.write(lines({}, {}).encode())
    batch = submission(input_file=url).execute()
    assert ask(sandbox, "GET", f"/batches/{batch}")["state"]["num_success"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lines({}) + "{\n", "night.jsonl, line 2 is not JSON"),
        (lines({}, {"custom_id": "row-0"}), "line 2: custom_id: id 'row-0' is there twice"),
        (lines({}, {}, {"url": "/v1/images"}), "line 3: url '/v1/images' is unknown"),
        (lines({"body": {"model": "grok-4.5"}, "url": "/v1/responses"}), "line 1: model grok-4.5"),
        ("", "is empty"),
    ],
)
def test_a_bad_line_is_named_by_its_number_before_anything_is_sent(
    sandbox: Sandbox, settle: Settle, tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "night.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AirflowFailException, match=said):
        submission(input_file=str(path)).execute()
    assert not sandbox.journal


def test_a_line_that_only_the_server_knows_to_be_bad_fails_with_its_words(
    sandbox: Sandbox, settle: Settle, time: Time, tmp_path: Path
) -> None:
    settle(batch_seconds=40)
    path = tmp_path / "night.jsonl"
    path.write_text(
        lines({}, {"url": "/v1/responses", "body": {"model": "grok-9", "input": "hello"}}), encoding="utf-8"
    )
    run = submission(input_file=str(path))
    with pytest.raises(AirflowFailException, match=r"Model grok-9 is not supported for batch processing.*not billed"):
        run.execute()
    assert run.receipt["request_id"].startswith("batch_")
    assert run.receipt["usage"]["cost_in_usd_ticks"] == 0
    assert not sandbox.ledger.charges


def test_a_missing_file_is_named(settle: Settle) -> None:
    with pytest.raises(AirflowFailException, match=r"nowhere\.jsonl"):
        submission(input_file="/nowhere.jsonl").execute()


def test_many_requests_travel_in_several_payloads(
    sandbox: Sandbox, settle: Settle, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_requests, "chunks", partial(batch_requests.chunks, max_bytes=1000))
    batch = submission(edits(store(), 9)).execute()
    assert len(asked(sandbox, "POST", "/requests")) >= 3
    assert ask(sandbox, "GET", f"/batches/{batch}")["state"]["num_requests"] == 9


def test_builders_take_xcom_args_and_templates(run_dag: RunDag) -> None:
    with DAG("builders", schedule=None, params={"season": "winter"}) as dag:

        @task
        def picture() -> str:
            from airflow_provider_grok.hooks.grok import GrokHook

            return GrokHook().generate(prompt="a bike")  # type: ignore[no-any-return]

        photo = picture()
        batch = GrokBatchOperator(
            task_id="batch",
            name="look-{{ params.season }}",
            requests=[
                edit_image("first", prompt="in {{ params.season }}", image=photo),
                generate_image("second", prompt="a {{ params.season }} bike", n="{{ 1 + 1 }}"),
            ],
        )
        GrokPersistOperator(task_id="persist", batch_id=batch.output)
    done = run_dag(dag)
    assert done.state == "success"
    (sent,) = [one for one in done.journal if one["method"] == "POST" and one["path"].endswith("/requests")]
    first, second = (one["batch_request"] for one in sent["json"]["batch_requests"])
    assert first["image_edit"]["prompt"] == "in winter"
    assert first["image_edit"]["image"] == {"file_id": done.xcom("picture")}
    assert second["image_generation"]["n"] == 2
    assert len(done.xcom("persist")) == 3


def test_cancelling_stops_what_is_pending_and_says_so(sandbox: Sandbox, settle: Settle, store: Store) -> None:
    settle(batch_seconds=3600)
    batch = submission(edits(store(), 3)).execute()
    run = TaskRun(GrokBatchCancelOperator, task_id="cancel", batch_id=f" {batch} ")
    assert run.execute() == batch
    assert run.receipt["counts"]["cancelled"] == 3
    assert run.execute() == batch


def test_cancelling_what_does_not_exist_fails_at_once(settle: Settle) -> None:
    with pytest.raises(AirflowFailException, match="404"):
        TaskRun(GrokBatchCancelOperator, task_id="cancel", batch_id="batch_1").execute()


def test_a_server_that_has_no_room_is_left_to_the_next_try(
    sandbox: Sandbox, settle: Settle, store: Store, time: Time
) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/batches", "times": None, "action": {"status": 503}})
    with pytest.raises(AirflowException, match="503") as refused:
        submission(edits(store(), 1)).execute()
    assert not isinstance(refused.value, AirflowFailException)


def test_a_kill_before_there_is_a_batch_says_so(settle: Settle, capsys: pytest.CaptureFixture[str]) -> None:
    submission([]).fresh().on_kill()
    assert "before a batch was made" in capsys.readouterr().out


def test_more_results_than_a_map_may_have_are_mapped_in_chunks(run_dag: RunDag, tmp_path: Path) -> None:
    """The manual's way round `max_map_length`: operators that take files take lists."""
    from airflow_provider_grok.operators.files import GrokDownloadOperator

    with DAG("chunks", schedule=None) as dag:
        batch = GrokBatchOperator(
            task_id="batch", requests=[generate_image(f"row-{number}", prompt="a bike") for number in range(7)]
        )
        keep = GrokPersistOperator(task_id="keep", batch_id=batch.output)

        @task
        def in_chunks(ids: list[str], size: int = 3) -> list[list[str]]:
            return [ids[start : start + size] for start in range(0, len(ids), size)]

        GrokDownloadOperator.partial(task_id="fetch", destination=f"{tmp_path}/").expand(file=in_chunks(keep.output))  # type: ignore[arg-type]
    assert run_dag(dag).state == "success"
    assert len(list(tmp_path.glob("*.jpg"))) == 7


def test_mapped_lists_are_a_batch_each(run_dag: RunDag) -> None:
    with DAG("mapped", schedule=None) as dag:
        lists = [[generate_image(f"{name}-{number}", prompt=name) for number in range(2)] for name in ("a", "b")]
        batch = GrokBatchOperator.partial(task_id="batch", name="looks").expand(requests=lists)
        GrokPersistOperator.partial(task_id="keep").expand(batch_id=batch.output)
    done = run_dag(dag)
    assert done.state == "success"
    assert len([one for one in done.journal if one["method"] == "POST" and one["path"] == "/v1/batches"]) == 2
