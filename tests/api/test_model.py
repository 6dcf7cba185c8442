"""Whatever JSON a server makes up, the API layer answers with a value or one of its own errors."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_grok.api import account, batches, errors, files, images, jobs, outcomes, videos
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call

KEYS = st.sampled_from(
    (
        *("status", "data", "video", "error", "code", "message", "usage", "cost_in_usd_ticks", "url", "file_output"),
        *("file_id", "expires_at", "respect_moderation", "progress", "request_id", "state", "num_pending", "results"),
        *("batch_id", "batch_result", "batch_request_id", "response", "image_generation", "video_generation", "id"),
        *("pagination_token", "models", "pricing", "batches", "bytes", "duration", "storage_error", "cancel_time"),
    )
)
WORDS = st.sampled_from(("done", "failed", "pending", "expired", "", "0", "file_1", "2026-11-22", "https://x.ai"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=6)
LOOKS: list[Call[Any]] = [images.poll("r"), videos.poll("r"), batches.poll("b"), outcomes.page("b")]
SUBMISSIONS: list[Call[Any]] = [images.generate({}), videos.generate({}), batches.add("b", []), batches.create("n")]
PAGES: list[Call[Any]] = [batches.page(), batches.metadata_page("b"), files.page(), files.get("f"), files.delete("f")]
ACCOUNT: list[Call[Any]] = [account.key(), account.me(), account.models(), account.image_models()]
CALM = settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@given(
    call=st.sampled_from(LOOKS + SUBMISSIONS + PAGES + ACCOUNT),
    status=st.sampled_from((200, 202, 400)),
    document=DOCUMENTS,
)
@example(call=LOOKS[0], status=200, document={"status": {}})
@example(call=LOOKS[1], status=200, document={"status": "done", "video": []})
@example(call=LOOKS[2], status=200, document={"batch_id": "b", "state": 7})
@example(call=LOOKS[3], status=200, document={"results": [{"batch_result": []}], "pagination_token": {}})
@CALM
def test_an_answer_is_a_value_or_an_error_of_ours(call: Call[Any], status: int, document: dict[str, Any]) -> None:
    answer = Answer(call.method, call.shown_path, status, {}, json.dumps(document).encode(), 0)
    try:
        call.read(answer)
    except errors.GrokError:
        return


@given(entry=DOCUMENTS)
@example(entry={"batch_result": {"response": {"image_generation": {"data": 7, "usage": []}}}})
@example(entry={"batch_result": {"response": {"image_generation": {"data": [None], "status": {}}}}})
@CALM
def test_one_strange_result_does_not_lose_the_others(entry: dict[str, Any]) -> None:
    found = outcomes.outcome(entry)
    assert found is None or isinstance(found, outcomes.Outcome)


STRANGE = {"duration": "long", "storage_error": {"code": 1}, "respect_moderation": "perhaps", "usage": 7}


def test_a_field_that_cannot_be_read_does_not_lose_a_paid_video() -> None:
    output = {"file_id": "file_1", "expires_at": "tomorrow", "public_url": 7}
    document = {"status": "done", "video": {"url": "https://vidgen.x.ai/a.mp4", "file_output": output, **STRANGE}}
    answer = Answer("GET", "/v1/videos/r", 200, {}, json.dumps(document).encode(), 0)
    progress: jobs.Progress = videos.poll("r").read(answer)
    assert progress.state == "done"
    assert (progress.result.url, progress.result.file_output.file_id) == ("https://vidgen.x.ai/a.mp4", "file_1")
