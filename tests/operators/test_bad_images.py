"""Bad input to the image operators: the error names the value, the limit and the remedy, and nothing is billed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, connect, paid

Store = Callable[..., str]
NAIVE = datetime(2026, 12, 24, 18)

NEVER_SENT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a local path": (
        {"image": "/data/hero.png"},
        ["image='/data/hero.png'", "upload it first with GrokUploadOperator"],
    ),
    "a file name": ({"image": "hero.png"}, ["image='hero.png'", "upload it first with GrokUploadOperator"]),
    "a data URL": (
        {"image": "data:image/png;base64,iVBORw0KGgo="},
        ["image='data:image/png", "upload it first with GrokUploadOperator"],
    ),
    "an http URL": ({"image": "http://example.com/a.png"}, ["http://example.com", "only https", "GrokUploadOperator"]),
    "a list for one source": ({"image": ["file_1", "file_2"]}, ["a list of 2", "images=[...]", ".expand(image=...)"]),
    "text of a list": ({"image": "['file_1', 'file_2']"}, ["a list of 2", "images=", ".expand(image=...)"]),
    "bytes": ({"image": b"\x89PNG"}, ["image= got 4 bytes", "upload it first with GrokUploadOperator"]),
    "a path object": ({"image": Path("hero.png")}, ["image= got a path", "GrokUploadOperator"]),
    "a pair of a mapped dict": ({"image": ("hero", "file_1")}, ["a tuple of 2", ".expand(image=...), over a list"]),
    "a pair with several sources": ({"images": ("hero", ["file_1", "file_2"])}, ["a pair of a key ('hero')"]),
    "a prompt that rendered to nothing": ({"image": "file_1", "prompt": "None"}, ["A template rendered None"]),
    "a prompt of bytes": ({"image": "file_1", "prompt": b"red"}, ["prompt=b'red'", "value.decode()"]),
    "half an emoji": ({"image": "file_1", "prompt": "red \ud83d"}, ["half a character (U+D83D at position 4)"]),
    "NaN": ({"image": "file_1", "request_params": {"seed": float("nan")}}, ["seed=nan", "a finite one"]),
    "a moment in the fields": ({"image": "file_1", "request_params": {"at": NAIVE}}, ["at=datetime", "JSON"]),
    "no source": ({}, ["either image=", "or images=", "neither"]),
    "a source that rendered to nothing": ({"image": "None"}, ["either image=", "neither"]),
    "both kinds of source": ({"image": "file_1", "images": ["file_1", "file_2"]}, ["image=", "images=", "both"]),
    "one source in images": ({"images": ["file_1"]}, ["got 1", "2 to 5", "image="]),
    "a path among the sources": ({"images": ["file_1", "./b.png"]}, ["images[1]='./b.png'", "GrokUploadOperator"]),
    "an unknown ratio": (
        {"images": ["file_1", "file_2"], "aspect_ratio": "wide"},
        ["aspect_ratio='wide'", "3:2", "auto"],
    ),
    "an unknown size": ({"image": "file_1", "resolution": "large"}, ["resolution='large'", "1k, 1.5k, 2k"]),
    "an unknown quality": (
        {"image": "file_1", "quality": "the best"},
        ["quality='the best'", "low, medium, high, auto"],
    ),
    "an empty prompt": ({"image": "file_1", "prompt": ""}, ["prompt=''", "must be text that is not blank"]),
    "a blank prompt": ({"image": "file_1", "prompt": "  \n"}, ["prompt=", "must be text that is not blank"]),
    "a prompt that is none": ({"image": "file_1", "prompt": None}, ["prompt=None", "must be text"]),
    "eleven pictures": ({"image": "file_1", "n": 11}, ["n=11", "from 1 to 10"]),
    "no pictures": ({"image": "file_1", "n": "0"}, ["n='0'", "from 1 to 10"]),
    "half a picture": ({"image": "file_1", "n": 1.5}, ["n=1.5", "from 1 to 10"]),
    "59 minutes": ({"image": "file_1", "expires_after": timedelta(minutes=59)}, ["59 minutes", "1 hour to 30 days"]),
    "31 days": ({"image": "file_1", "expires_after": "2678400"}, ["expires_after=2678400", "1 hour to 30 days"]),
    "a naive end": (
        {"image": "file_1", "expires_at": NAIVE},
        ["2026-12-24T18:00:00 has no time zone", "aware datetime"],
    ),
    "an end in the past": (
        {"image": "file_1", "expires_at": "2020-01-01T00:00:00Z"},
        ["2020-01-01", "1 hour to 30 days"],
    ),
    "an end that is no time": ({"image": "file_1", "expires_at": "soon"}, ["expires_at='soon'", "ISO 8601"]),
    "life and end": (
        {"image": "file_1", "expires_after": 7200, "expires_at": "2026-12-24T18:00:00Z"},
        ["expires_after=7200", "expires_at='2026-12-24T18:00:00Z'", "Give one of them"],
    ),
    "a life that is no time": ({"image": "file_1", "expires_after": "a week"}, ["expires_after='a week'", "timedelta"]),
    "a link that outlives its file": (
        {"image": "file_1", "expires_after": 7200, "share": 7201},
        ["7201 s", "7200 s", "Shorten the link's life, or lengthen the file's"],
    ),
    "a link of a minute": ({"image": "file_1", "share": 60}, ["public link", "1 minute", "1 hour to 30 days"]),
    "a name that is too long": ({"image": "file_1", "filename": "a;b.png"}, ["';'", "Give another `filename`"]),
    "an unknown way of reuse": (
        {"image": "file_1", "reuse": "never"},
        ["reuse='never'", "'run', 'attempt' and 'always'"],
    ),
    "a limit that is no money": ({"image": "file_1", "max_cost_usd": "cheap"}, ["max_cost_usd='cheap'", "2.50"]),
    "a negative limit": ({"image": "file_1", "max_cost_usd": -1}, ["max_cost_usd=-1", "2.50"]),
    "a poll interval of nothing": ({"image": "file_1", "poll_interval": 0}, ["poll_interval=0", "above 0"]),
    "a time-out that is no time": ({"image": "file_1", "timeout": "forever"}, ["timeout='forever'", "timedelta"]),
    "a file id that is a sentence": ({"image": "the hero picture"}, ["'the hero picture' is no file id"]),
}


def edit(**arguments: Any) -> TaskRun:
    return TaskRun(GrokImagineEditOperator, **{"prompt": "make it red", **arguments})


def refused(run: TaskRun, error: type[Exception] = AirflowFailException) -> str:
    with pytest.raises(error) as caught:
        run.execute()
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize(("arguments", "words"), NEVER_SENT.values(), ids=NEVER_SENT.keys())
def test_what_can_be_known_is_refused_before_anything_is_paid_for(
    sandbox: Sandbox, arguments: dict[str, Any], words: list[str]
) -> None:
    message = refused(edit(**arguments))
    for word in words:
        assert word in message
    assert not paid(sandbox)


@pytest.mark.parametrize("name", [name for name in NEVER_SENT if name != "a name that is too long"])
def test_what_can_be_known_is_refused_before_anything_is_sent(sandbox: Sandbox, name: str) -> None:
    refused(edit(**NEVER_SENT[name][0]))
    assert sandbox.journal == []


def test_a_prompt_over_the_models_length_is_refused_before_it_is_paid_for(sandbox: Sandbox) -> None:
    message = refused(edit(image="file_1", prompt="x" * 1025))
    assert "1025 characters" in message
    assert "takes 1024" in message
    assert "Shorten it" in message
    assert not paid(sandbox)


def test_an_unknown_model_is_refused_with_the_known_ones_before_it_is_paid_for(sandbox: Sandbox) -> None:
    message = refused(edit(image="file_1", model="grok-imagine-image-3"))
    assert "model='grok-imagine-image-3'" in message
    assert "grok-imagine-image-2.0" in message
    assert not paid(sandbox)


def test_a_price_list_that_says_nothing_costs_lifts_no_cap(sandbox: Sandbox) -> None:
    tier = {"quality": "medium", "resolution": "1k", "price_per_image": 0}
    free = {"id": "grok-imagine-image-2.0", "image_price": 0, "pricing": [tier]}
    path = "/v1/image-generation-models"
    sandbox.faults.add({"path": path, "times": None, "action": {"status": 200, "body": {"models": [free]}}})
    message = refused(edit(image="file_1", max_cost_usd=0.05))
    assert "about 0.0700 USD" in message
    assert not paid(sandbox)


def test_a_file_that_is_gone_is_named_and_nothing_is_billed(sandbox: Sandbox) -> None:
    message = refused(edit(image="file_gone"))
    assert "file_gone" in message
    assert "has expired" in message
    assert "upload or make it again" in message
    assert sandbox.ledger.charges == []


def test_a_file_that_has_expired_is_named_and_nothing_is_billed(sandbox: Sandbox, store: Store) -> None:
    source = store(expires_after="3600")
    sandbox.clock.advance(3601)
    assert source in refused(edit(image=source))
    assert sandbox.ledger.charges == []


def test_a_source_that_is_no_picture_is_refused_by_the_server_and_not_tried_again(
    sandbox: Sandbox, store: Store
) -> None:
    import httpx

    answer = httpx.post(
        f"{sandbox.url}/files",
        headers={"authorization": f"Bearer {sandbox.api_key}"},
        files={"file": ("a.txt", b"words", "text/plain")},
    )
    message = refused(edit(image=answer.json()["id"]))
    assert "not a readable" in message
    assert "Nothing was billed" in message


def test_a_wrong_key_is_a_400_that_is_not_tried_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox, password="xai-a-key-of-yesterday")
    message = refused(edit(image="file_1"))
    assert "answered 400" in message
    assert "Check the API key" in message
    assert "yesterday" not in message
    assert not paid(sandbox)
    assert len(sandbox.journal) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_blocked_key_is_not_tried_again(sandbox: Sandbox, status: int) -> None:
    body = {"code": "permission-denied", "error": "Team is blocked: out of credit."}
    sandbox.faults.add({"times": None, "action": {"status": status, "body": body}})
    message = refused(edit(image="file_1"))
    assert "out of credit" in message
    assert "in the xAI console" in message
    # Without a look by key nothing is bought.
    assert len(paid(sandbox)) == 0
    assert not sandbox.ledger.charges


def test_a_missing_key_is_refused_before_anything_is_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox, password="")
    message = refused(edit(image="file_1"))
    assert "'grok_default' has no API key" in message
    assert "password" in message
    assert sandbox.journal == []


def test_a_sandbox_that_is_not_running_is_worth_a_retry(
    time: Time, monkeypatch: pytest.MonkeyPatch, unused: str
) -> None:
    connect(monkeypatch, host=f"http://{unused}/v1", password="xai-sandbox")
    message = refused(edit(image="file_1"), AirflowException)
    assert f"nothing answers at {unused}" in message
    assert "Nothing was sent" in message
    assert "airflow-grok sandbox" in message


@pytest.mark.parametrize("status", [200, 404])
def test_a_host_that_answers_web_pages_is_named(
    time: Time, monkeypatch: pytest.MonkeyPatch, web_page: Callable[[int], str], status: int
) -> None:
    host = web_page(status)
    connect(monkeypatch, host=host, password="xai-sandbox")
    message = refused(edit(image="file_1"), AirflowException)
    assert "Check the connection's host" in message
    assert f"answered {status} with text/html" in message


def test_a_generation_is_checked_like_an_edit(sandbox: Sandbox) -> None:
    run = TaskRun(GrokImagineGenerateOperator, prompt="x", aspect_ratio="wide")
    assert "aspect_ratio='wide'" in refused(run)
    assert sandbox.journal == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"image": "$", "resolution": "8k"},
        {"image": "$", "quality": "best"},
        {"images": ["$", "$"], "aspect_ratio": "7:5"},
        {"images": ["$"] * 6},
    ],
)
def test_a_value_that_only_the_server_can_judge_is_refused_by_it_at_once_and_unbilled(
    sandbox: Sandbox, store: Store, arguments: dict[str, Any]
) -> None:
    source = store()
    filled = {
        name: source if value == "$" else [source] * len(value) if isinstance(value, list) else value
        for name, value in arguments.items()
    }
    message = refused(edit(**filled))
    assert "Nothing was billed" in message
    assert len(paid(sandbox)) == 1
    assert sandbox.ledger.charges == []


def test_nothing_is_checked_before_a_task_runs(sandbox: Sandbox) -> None:
    edit(prompt="{{ params.prompt }}", image="{{ ti.xcom_pull('up') }}", expires_after="{{ 1 }}", n="{{ n }}").fresh()
    assert sandbox.journal == []
