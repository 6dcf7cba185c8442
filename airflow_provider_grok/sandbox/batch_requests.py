"""The requests of a batch: one by one from JSON, or as lines of a JSONL file (docs.x.ai, Batch API)."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from airflow_provider_grok.sandbox import images
from airflow_provider_grok.sandbox.bodies import Body, in_words
from airflow_provider_grok.sandbox.errors import Refusal, Undeserialisable, invalid
from airflow_provider_grok.sandbox.image_requests import read_image_request
from airflow_provider_grok.sandbox.request_context import RequestContext
from airflow_provider_grok.sandbox.video_bodies import (
    EDITS,
    EXTENSIONS,
    GENERATIONS,
    GenerateVideo,
)
from airflow_provider_grok.sandbox.video_requests import read_video_request

LARGEST_REQUEST = 25_000_000  # bytes of one request's body
LARGEST_FILE = 200_000_000  # bytes of a JSONL file
MOST_LINES = 50_000
CHAT_MODELS = ("grok-4.3", "grok-4.20")  # and what begins so: the only ones that batches take

# The key in `batch_request` that a line's `url` stands for.
URLS = {
    "/v1/chat/completions": "chat_get_completion",
    "/v1/responses": "responses",
    images.GENERATIONS: "image_generation",
    images.EDITS: "image_edit",
    GENERATIONS: "video_generation",
    "/v1/videos": "video_generation",
    EDITS: "video_generation",
    EXTENSIONS: "video_extension",
}
KEYS = tuple(dict.fromkeys(URLS.values()))


class BatchRequest(Body):
    """One element of `batch_requests`."""

    batch_request_id: str | None = None
    batch_request: dict[str, Any]


class AddRequests(Body):
    """Body of batches/{id}/requests."""

    batch_requests: list[BatchRequest]


class Line(Body):
    """One line of a JSONL file."""

    custom_id: str
    method: str
    url: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Item:
    """A request that has been read and checked.

    :param name: its `batch_request_id`; empty if the server is to choose.
    :param kind: of the job that does it.
    :param endpoint: path that would be asked for it alone.
    :param model: the one that serves it, no alias.
    :param ticks: what it costs, where that is known before its sources are.
    """

    name: str
    kind: str
    endpoint: str
    model: str
    ticks: int
    body: dict[str, Any]


def read_items(requests: list[BatchRequest], context: RequestContext, known: set[str]) -> list[Item]:
    """Check the requests of one call: all are taken or none.

    :param known: ids that the batch has already.
    :raises Refusal: 400 or 422, naming the first that is wrong.
    """
    items, seen = [], set(known)
    for index, request in enumerate(requests):
        place = f"batch_requests[{index}]"
        if len(request.batch_request) != 1:
            raise invalid(f"{place}.batch_request must have exactly one key, one of: {', '.join(KEYS)}.")
        ((key, body),) = request.batch_request.items()
        name = request.batch_request_id or ""
        if name in seen:
            raise invalid(f"{place}: duplicate batch_request_id {name!r}.")
        seen |= {name} - {""}
        items.append(read_item(f"{place} ({name})" if name else place, name, key, body, context))
    return items


def read_item(place: str, name: str, key: str, body: Any, context: RequestContext) -> Item:
    """Check one request by the rules of the endpoint it is meant for.

    :param place: where it stands, for messages.
    :raises Refusal: 400 or 422.
    """
    if not isinstance(body, dict):
        raise Undeserialisable(f"{place}.{key}: invalid type {type(body).__name__}, expected an object")
    if len(json.dumps(body)) > LARGEST_REQUEST:
        raise invalid(f"{place} has more than {LARGEST_REQUEST} bytes.")
    try:
        return checked(name, key, body, context)
    except Undeserialisable as error:
        raise Undeserialisable(f"{place}: {error.message.partition(': ')[2]}") from None
    except Refusal as error:
        raise invalid(f"{place}: {error.message}") from None


def checked(name: str, key: str, body: dict[str, Any], context: RequestContext) -> Item:
    """Check one request.

    :raises Refusal: whatever its endpoint would answer, and 400 for what batches do not take.
    """
    if key in ("image_generation", "image_edit"):
        image = read_image_request(key == "image_edit", body, context)
        endpoint = images.EDITS if key == "image_edit" else images.GENERATIONS
        return Item(name, "image", endpoint, image.served_model, image.ticks, body)
    if key in ("video_generation", "video_extension"):
        endpoint = EXTENSIONS if key == "video_extension" else EDITS if "video" in body else GENERATIONS
        video = read_video_request(endpoint, body, context)
        ticks = video.ticks if isinstance(video, GenerateVideo) else 0
        return Item(name, "video", endpoint, video.served_model, ticks, body)
    raise refused_key(key, body)


def refused_key(key: str, body: dict[str, Any]) -> Refusal:
    """Return why a request is neither picture nor video."""
    if key not in KEYS:
        return invalid(f"unknown request type {key!r}; it must be one of: {', '.join(KEYS)}.")
    model = body.get("model")
    if not str(model).startswith(CHAT_MODELS):
        return invalid(f"Model {model} is not supported for batch processing.")
    return invalid(f"{key} is not emulated: this sandbox makes pictures and videos only.")


def read_lines(data: bytes, context: RequestContext) -> list[Item]:
    """Check a JSONL file: all lines are taken or none.

    :raises Refusal: naming the first line that is wrong.
    """
    lines = data.removeprefix(BOM_UTF8).splitlines()
    if len(lines) > MOST_LINES or len(data) > LARGEST_FILE:
        raise invalid(f"at most {MOST_LINES} lines and {LARGEST_FILE} bytes, got {len(lines)} and {len(data)}.")
    items, seen = [], set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = read_line(f"line {number}", line, context)
        if item.name in seen:
            raise invalid(f"line {number}: duplicate custom_id {item.name!r}.")
        seen.add(item.name)
        items.append(item)
    if not items:
        raise invalid("the file holds no requests.")
    return items


def read_line(place: str, text: bytes, context: RequestContext) -> Item:
    """Check one line.

    :raises Refusal: naming what is wrong.
    """
    try:
        line = Line.model_validate_json(text)
    except ValidationError as error:
        raise invalid(f"{place}: {in_words(error)}") from None
    if line.method != "POST" or line.url not in URLS:
        raise invalid(f"{place}: {line.method} {line.url} is not supported for batch processing.")
    if line.url == EDITS and "video" not in line.body:
        # Elsewhere such a body would be a video made from words.
        raise invalid(f"{place} ({line.custom_id}): missing field `video`.")
    return read_item(f"{place} ({line.custom_id})", line.custom_id, URLS[line.url], line.body, context)
