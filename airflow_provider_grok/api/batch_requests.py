"""Batch requests: the entries that a batch is filled with, checked, cut into payloads, or written as JSONL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import errors, validation, videos
from airflow_provider_grok.api.kinds import kind_of_batch_request

#: Where a request of each kind would go on its own (docs.x.ai, Batch API).
URLS = {
    "image_generation": "/v1/images/generations",
    "image_edit": "/v1/images/edits",
    "video_generation": "/v1/videos/generations",
    "video_extension": "/v1/videos/extensions",
    "chat_get_completion": "/v1/chat/completions",
    "responses": "/v1/responses",
}
#: What a JSONL line may ask for; an edit of a video has a URL of its own only there.
KINDS = {url: kind for kind, url in URLS.items()} | {
    "/v1/videos": "video_generation",
    "/v1/videos/edits": "video_generation",
}
#: The largest payload of one call, in bytes; the largest JSONL file, in bytes (the upload limit) and in lines.
PAYLOAD_LIMIT, JSONL_LIMIT, LINE_LIMIT = 25_000_000, 48_000_000, 50_000
#: Models that are known not to run in batches.
NOT_IN_BATCHES = ("grok-4.5", "grok-4.6", "grok-4.7", "grok-build")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")


def request(id: str, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Make one entry of a batch.

    :param id: the request's id; its result carries nothing else.
    :param kind: one of URLS; an edit of a video is a `video_generation`.
    :param body: what the kind's own endpoint takes.
    """
    return {"batch_request_id": id, "batch_request": {kind: dict(body)}}


def check(requests: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a list of requests that the API would refuse, or lose.

    :param requests: entries as `request` makes them.
    :raises InvalidRequest: for none at all, a bad or double id, an unknown kind, an unfit model, one that is too large.
    """
    if not requests:
        raise errors.InvalidRequest("The batch has no requests. Give at least one.")
    seen: set[str] = set()
    for index, entry in enumerate(requests):
        where = f"requests[{index}]"
        _check_id(entry.get("batch_request_id"), seen, where)
        asked = entry.get("batch_request")
        if not isinstance(asked, Mapping) or len(asked) != 1 or not URLS.keys() & asked.keys():
            raise errors.InvalidRequest(f"{where} must have exactly one of {', '.join(URLS)} in batch_request.")
        kind, body = next(iter(asked.items()))
        check_model(kind, body, where)
        validation.check_json(entry, where)
        _check_size(entry, where)


def _check_id(id: object, seen: set[str], where: str) -> None:
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise errors.InvalidRequest(
            f"{where}: id {validation.shown(id)} must have 1 to 128 letters, digits, '_', '-', '.' or ':', and "
            "begin with a letter or digit; results and stored files are told apart by it."
        )
    if id in seen:
        raise errors.InvalidRequest(f"{where}: id {id!r} is there twice. Give every request its own.")
    seen.add(id)


def check_model(kind: str, body: object, where: str) -> None:
    """Refuse a model that is known not to do this in a batch: one such line cancels a whole JSONL batch.

    :param kind: one of URLS.
    :param body: the request's body.
    :param where: which request it is, for the error.
    :raises InvalidRequest: for such a model, or none.
    """
    model = body.get("model") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(model, str) or not model:
        raise errors.InvalidRequest(f"{where}: the body names no model. Give one, such as grok-imagine-image-2.0.")
    made = kind_of_batch_request(kind)
    other = {"image": "grok-imagine-video", "video": "grok-imagine-image"}.get(
        made.name if made else "", "grok-imagine"
    )
    if model.startswith((other, *NOT_IN_BATCHES)):
        raise errors.InvalidRequest(f"{where}: model {model} does not serve {kind} in a batch. Use another model.")
    skills = videos.MODELS.get(model)
    if skills and not skills.remakes and (kind == "video_extension" or "video" in body):
        raise errors.InvalidRequest(f"{where}: model {model} cannot edit or extend videos. Use grok-imagine-video.")


def _size(entry: Mapping[str, Any]) -> int:
    return len(json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode())


def _check_size(entry: Mapping[str, Any], where: str) -> int:
    try:
        size = _size(entry)
    except UnicodeEncodeError as error:
        raise errors.InvalidRequest(
            f"{where} cannot be sent as text: it holds half of a character ({error.object[error.start]!r}). Look where "
            "its text was cut."
        ) from None
    if size >= PAYLOAD_LIMIT - 100:
        raise errors.InvalidRequest(
            f"{where} has {size} bytes; one payload may have {PAYLOAD_LIMIT} (25 MB). Upload its sources and give "
            "their file ids."
        )
    return size


def chunks(
    requests: Iterable[Mapping[str, Any]], max_bytes: int = 20_000_000, max_count: int = 1000
) -> Iterator[list[Mapping[str, Any]]]:
    """Cut requests into payloads for `batches.add`, in order.

    :param requests: entries as `request` makes them.
    :param max_bytes: size of a payload in bytes; the API takes 25 MB.
    :param max_count: entries per payload.
    :raises InvalidRequest: for an entry that no payload can hold.
    """
    chunk: list[Mapping[str, Any]] = []
    size = 0
    for index, entry in enumerate(requests):
        more = _check_size(entry, f"requests[{index}]") + 1
        if chunk and (size + more > max_bytes or len(chunk) >= max_count):
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += more
    if chunk:
        yield chunk


def write_jsonl(requests: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write requests in the form of an input file (docs.x.ai, Batch API: JSONL).

    :param requests: entries as `request` makes them.
    :param path: file to write.
    """
    with path.open("w", encoding="utf-8") as file:
        for entry in requests:
            file.write(json.dumps(_line(entry), separators=(",", ":"), ensure_ascii=False) + "\n")


def _line(entry: Mapping[str, Any]) -> dict[str, Any]:
    kind, body = next(iter(entry["batch_request"].items()))
    edits = kind == "video_generation" and "video" in body
    url = "/v1/videos/edits" if edits else URLS[kind]
    return {"custom_id": entry["batch_request_id"], "method": "POST", "url": url, "body": body}


def check_jsonl(path: Path) -> int:
    """Check an input file, and count its lines: one bad line would cancel the whole batch, hours later.

    :param path: the file.
    :raises InvalidRequest: for an empty or too large file, or a bad line, by its number.
    """
    if (size := path.stat().st_size) > JSONL_LIMIT:
        raise errors.InvalidRequest(f"{path.name} has {size} bytes; {JSONL_LIMIT} (48 MB) are allowed. Split it.")
    seen: set[str] = set()
    count = 0
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            if count > LINE_LIMIT:
                raise errors.InvalidRequest(f"{path.name} has more than {LINE_LIMIT} lines. Split it.")
            _check_line(line, seen, f"{path.name}, line {count}")
    if not count:
        raise errors.InvalidRequest(f"{path.name} is empty: a batch needs at least one request.")
    return count


def _check_line(line: bytes, seen: set[str], where: str) -> None:
    try:
        entry = json.loads(line, parse_constant=_no_constant)
    except RecursionError:
        raise errors.InvalidRequest(f"{where} is nested too deep to be read. No request is.") from None
    except ValueError as error:
        said = errors.clean(str(error), 200)
        raise errors.InvalidRequest(f"{where} is not JSON ({said}). Each line holds one object.") from None
    if not isinstance(entry, dict):
        raise errors.InvalidRequest(f"{where} is no JSON object but {type(entry).__name__}.")
    validation.check_json(entry, where)
    if entry.get("method", "POST") != "POST":
        raise errors.InvalidRequest(f"{where}: method {validation.shown(entry['method'])}; only POST is allowed.")
    _check_id(entry.get("custom_id"), seen, f"{where}: custom_id")
    url = entry.get("url")
    kind = KINDS.get(url) if isinstance(url, str) else None
    if kind is None:
        said = validation.shown(url)
        raise errors.InvalidRequest(f"{where}: url {said} is unknown; allowed: {', '.join(KINDS)}.")
    check_model(kind, entry.get("body"), where)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
