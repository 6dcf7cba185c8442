"""Outcomes: what became of each request of a batch, every form of a failure read into one (docs.x.ai, Batch API)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.api import batches, errors, media, pages
from airflow_provider_grok.api.call import MEDIA_LIMIT, Call, Flow
from airflow_provider_grok.api.images import Images
from airflow_provider_grok.api.kinds import KINDS, kind_of_batch_request
from airflow_provider_grok.api.videos import Video

if TYPE_CHECKING:
    from airflow_provider_grok.api.answer import Answer

#: Results per page: few enough that pictures inside the answer stay within what an answer may have.
PAGE = 100

#: The numbers that stand for codes in a batch's errors (google.rpc.Code).
CODES = {
    1: "cancelled",
    2: "unknown",
    3: "invalid-argument",
    4: "deadline-exceeded",
    5: "not-found",
    7: "permission-denied",
    8: "resource-exhausted",
    9: "failed-precondition",
    13: "internal",
    14: "unavailable",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    :param id: the request's id.
    :param images: what an image request made; some of its pictures may be moderated.
    :param video: what a video request made.
    :param error: why there is nothing to keep; its `job_id` is the request's id.
    :param ticks: what was charged, where the answer said so.
    """

    id: str
    images: Images | None = None
    video: Video | None = None
    error: errors.JobFailed | None = None
    ticks: int | None = None


@dataclass(frozen=True)
class ResultPage:
    """A page of outcomes.

    :param outcomes: in no particular order.
    :param pagination_token: leads to the next page; None on the last.
    """

    outcomes: tuple[Outcome, ...]
    pagination_token: str | None


def page(batch_id: str, *, limit: int = PAGE, token: str | None = None) -> Call[ResultPage]:
    """Ask for one page of results; also while the batch runs (docs.x.ai, Batch API: results).

    :param batch_id: the batch.
    :param limit: results per page, at most 1000.
    :param token: the last page's token.
    """

    def read(answer: Answer) -> ResultPage:
        document = answer.json()
        results = document.get("results")
        entries = [entry for entry in results if isinstance(entry, Mapping)] if isinstance(results, list) else []
        found = tuple(one for one in map(outcome, entries) if one)
        token = document.get("pagination_token")
        return ResultPage(found, token if token and isinstance(token, str) else None)

    return Call("GET", batches.path(batch_id, "/results"), read, query=batches.query(limit, token), limit=MEDIA_LIMIT)


def listing(batch_id: str) -> Flow[list[Outcome]]:
    """Read all results of a batch that there are so far, page by page.

    :param batch_id: the batch.
    """
    return pages.whole(lambda token: page(batch_id, token=token), lambda got: got.outcomes, lambda one: one.id)


def outcome(entry: Mapping[str, Any]) -> Outcome | None:
    """Read one result; None for one that is no end yet.

    :param entry: an element of `results`; whatever it holds, it breaks no other's reading.
    """
    request_id = str(entry.get("batch_request_id") or "")
    result = entry.get("batch_result")
    result = result if isinstance(result, Mapping) else {}
    for error in (result.get("error"), entry.get("error_message"), entry.get("error")):
        if said := _said(error):
            return _failed(request_id, *said)
    response = result.get("response")
    if not isinstance(response, Mapping) or not response:
        return _failed(
            request_id, "unknown", f"the batch holds no result for it (response: {json.dumps(response)[:80]})"
        )
    kind, answer = next(iter(response.items()))
    return _answered(request_id, kind, answer if isinstance(answer, Mapping) else {})


def _said(error: object) -> tuple[str, str] | None:
    """Code and message of an error in any form; None where it says that there is none."""
    if isinstance(error, str) and error:
        return "", errors.clean(error)
    if not isinstance(error, Mapping):
        return None
    code, message = error.get("code"), error.get("message") or error.get("error")
    number = int(code) if isinstance(code, int | str) and str(code).isdecimal() else None
    if number == 0 or (code is None and not message):
        return None
    name = errors.normal_code(code) if number is None else CODES.get(number, str(number))
    return name, errors.clean(str(message or "(no text)"))


def _failed(request_id: str, code: str, message: str, ticks: int | None = None) -> Outcome:
    failure = errors.JobModerated if errors.is_moderation(message) else errors.JobFailed
    billed = None if ticks is None else ticks > 0
    return Outcome(request_id, error=failure("batch", request_id, code, message, billed, ticks), ticks=ticks)


def _answered(request_id: str, kind: str, answer: Mapping[str, Any]) -> Outcome | None:
    ticks = errors.ticks_in(answer)
    status = answer.get("status")
    if status == "pending":
        return None
    # An error may stand where the result should: {"code": ..., "error": ...}, or a failed video's {"error": {...}}.
    error = answer.get("error")
    said = _said(error if isinstance(error, Mapping) else {"code": answer.get("code"), "error": error})
    if said or status in ("failed", "expired", "cancelled"):
        code, message = said or (str(status), f"it ended as {status}")
        return _failed(request_id, code, message, ticks)
    made = kind_of_batch_request(kind)
    if made is None:
        return Outcome(request_id, ticks=ticks)
    return (_pictures if made is KINDS["image"] else _film)(request_id, answer)


def _pictures(request_id: str, answer: Mapping[str, Any]) -> Outcome:
    images = Images.parse(answer, f"batch request {request_id}")
    end = media.ended("image", request_id, images, images.data, images.ticks)
    return Outcome(request_id, images=images, error=end.failure, ticks=images.ticks)


def _film(request_id: str, answer: Mapping[str, Any]) -> Outcome:
    video = Video.in_answer(answer, f"batch request {request_id}")
    end = media.ended("video", request_id, video, [video], video.ticks)
    return Outcome(request_id, video=video, error=end.failure, ticks=video.ticks)
