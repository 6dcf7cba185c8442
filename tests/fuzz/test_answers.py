"""Whatever a server answers is read, or refused with one of our errors; nothing else comes out, and nothing hangs."""

from __future__ import annotations

import json
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_grok.api import account, batches, errors, files, images, jobs, outcomes, polling, videos
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.response import ResponseReader
from airflow_provider_grok.api.retry import _read, pause_after, steps
from tests.fuzz.documents import WORDS, bodies, objects, texts, values
from tests.fuzz.pace import fuzz

CALLS: dict[str, Call[Any]] = {
    "get file": files.get("file_1"),
    "list files": files.page(),
    "delete": files.delete("file_1"),
    "share": files.share("file_1"),
    "revoke": files.revoke("file_1"),
    "key": account.key(),
    "me": account.me(),
    "models": account.models(),
    "image models": account.image_models(),
    "video models": account.video_models(),
    "generate": images.generate({"prompt": "x"}),
    "film": videos.generate({"prompt": "x"}),
    "look at image": images.poll("r"),
    "look at video": videos.poll("r"),
    "make batch": batches.create("b"),
    "get batch": batches.get("b1"),
    "look at batch": batches.poll("b1"),
    "list batches": batches.page(),
    "add": batches.add("b1", []),
    "list requests": batches.metadata_page("b1"),
    "results": outcomes.page("b1"),
    "cancel": batches.cancel("b1"),
}
statuses = st.sampled_from([200, 200, 200, 202, 204, 302, 400, 401, 404, 408, 409, 422, 429, 500, 503, 529, 599])
headers = st.fixed_dictionaries(
    {}, optional={"retry-after": texts, "x-request-id": texts, "content-type": texts, "date": texts, "location": texts}
)


@fuzz
@given(name=st.sampled_from(sorted(CALLS)), status=statuses, headers=headers, body=bodies)
def test_an_answer_is_read_or_refused(name: str, status: int, headers: dict[str, str], body: bytes) -> None:
    call = CALLS[name]
    answer = Answer(call.method, call.shown_path, status, headers, body, len(body))
    try:
        read = _read(call, answer)
    except errors.GrokError as error:
        assert str(error).isprintable()
        assert error.billed in (True, False, None)
        pause = pause_after(error, 1, may_repeat=call.may_repeat)
        assert pause is None or 0 <= pause <= 60
        return
    if isinstance(read, jobs.Progress):
        assert read.state in ("pending", "done", "failed")
        assert jobs.words(read, 10.0) is not None
        assert polling.ErrorBudget().record_success(read) in (True, False)


KEY = "xai-secret-key"
ENDPOINT = Endpoint(key=KEY, max_attempts=1)
spellings = st.sampled_from([KEY, "xai\\u002dsecret\\u002Dkey", "xai%2Dsecret%2dkey", "xai&#45;secret&#x2D;key"])


def nested(depth: int) -> Any:
    """Lists inside one another."""
    return [nested(depth - 1)] if depth else "end"


#: Bodies in which the server repeats the key, and others made to be stumbled over.
odd_bodies = st.one_of(
    st.tuples(objects, spellings).map(lambda pair: json.dumps(pair[0]).replace("file_1", pair[1]).encode()),
    st.tuples(st.sampled_from(WORDS), spellings).map(
        lambda pair: f'{{"{pair[0]}": "{pair[1]}", "error": {{"message": "{pair[1]}", "code": "{pair[1]}"}}}}'.encode()
    ),
    st.tuples(st.sampled_from(WORDS), st.integers(50, 900)).map(
        lambda pair: json.dumps({pair[0]: nested(pair[1])}).encode()
    ),
    st.sampled_from(WORDS).map(lambda word: f'{{"{word}": "\\ud83d", "error": "\\ude00"}}'.encode()),
    spellings.map(lambda key: f"<html>{key}</html>".encode()),
    bodies,
)
odd_headers = st.dictionaries(
    st.sampled_from(["retry-after", "x-request-id", "date", "location", "content-type"]),
    st.sampled_from(["", "0", "nan", "-1", "1e999", KEY, "text/html", "Thu, 01 Jan 1970 00:00:00 GMT"]),
)


def carried(call: Call[Any], status: int, headers: dict[str, str], body: bytes) -> Any:
    """What one attempt makes of an answer of raw bytes, taken in as from a connection."""
    reader = ResponseReader(ENDPOINT, call)
    with reader.body(httpx.Response(status, headers=headers)) as take:
        take(body)
    attempt = steps(ENDPOINT, call)
    next(attempt)
    try:
        attempt.send(reader.answer())
    except StopIteration as end:
        return end.value
    raise AssertionError("one attempt is all")


@fuzz
@given(
    name=st.sampled_from(sorted(CALLS)),
    status=statuses | st.sampled_from([301, 402, 403, 405, 413, 425]),
    headers=odd_headers,
    body=odd_bodies,
)
def test_no_answer_shows_the_key_and_each_error_says_what_is_known(
    name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    try:
        shown = repr(carried(CALLS[name], status, headers, body))
    except errors.GrokError as error:
        shown = f"{error!r} {vars(error)}"
        assert not (error.permanent and (error.transient or error.outcome_unknown))
        assert not error.never_sent
        assert str(error).isprintable()
    assert KEY not in shown


@fuzz
@given(body=bodies)
def test_an_error_body_gives_a_code_words_and_perhaps_a_price(body: bytes) -> None:
    code, message, ticks = errors.parse_body(body)
    assert code.isprintable()
    assert message.isprintable()
    assert len(code) <= 103
    assert len(message) <= errors.MESSAGE_LIMIT + 3
    assert ticks is None or ticks >= 0


@fuzz
@given(entry=objects | st.fixed_dictionaries({"batch_result": objects, "batch_request_id": values}))
def test_an_entry_of_results_is_an_outcome_whatever_it_holds(entry: dict[str, Any]) -> None:
    found = outcomes.outcome(entry)
    if found is not None:
        assert isinstance(found.id, str)
        assert found.error is None or str(found.error).isprintable()


shapes = st.fixed_dictionaries(
    {"batch_request_id": texts},
    optional={
        "batch_result": st.fixed_dictionaries(
            {},
            optional={
                "error": values,
                "response": st.dictionaries(
                    st.sampled_from(["image_generation", "video_generation", "chat_get_completion", "unknown"]),
                    st.fixed_dictionaries(
                        {}, optional={"data": values, "video": values, "status": texts, "usage": values}
                    ),
                ),
            },
        )
    },
)


@fuzz
@given(entry=shapes)
def test_an_entry_that_is_almost_right_is_an_outcome(entry: dict[str, Any]) -> None:
    found = outcomes.outcome(entry)
    assert found is None or found.error or found.images or found.video or found.ticks is None or found.ticks >= 0


@fuzz
@given(text=texts | st.floats().map(str) | st.integers().map(str) | st.datetimes().map(str))
def test_a_retry_after_is_a_time_that_has_not_passed_or_nothing(text: str) -> None:
    after = Answer("GET", "/", 429, {"retry-after": text}, b"", 0).retry_after()
    assert after is None or after >= 0


@fuzz
@given(text=texts | st.dates().map(str) | st.datetimes().map(lambda moment: moment.isoformat()))
def test_the_time_of_a_batch_is_read_or_is_nothing(text: str) -> None:
    for end_of_day in (False, True):
        moment = batches.moment(text, end_of_day=end_of_day)
        assert moment is None or isinstance(moment, float)
