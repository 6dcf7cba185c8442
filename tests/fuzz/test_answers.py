"""Whatever a server answers is read, or refused with one of our errors; nothing else comes out, and nothing hangs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_grok.api import account, batches, errors, files, images, jobs, outcomes, polling, videos
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.wire import _read, pause_after
from tests.fuzz.documents import bodies, objects, texts, values
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
