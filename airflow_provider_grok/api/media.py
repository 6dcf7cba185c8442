"""Media, what images and videos share: sources, stored assets, and how a job that makes one answers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_provider_grok.api import errors, validation
from airflow_provider_grok.api.call import MEDIA_LIMIT, Call
from airflow_provider_grok.api.jobs import Accepted, Progress
from airflow_provider_grok.api.kinds import KINDS, Kind
from airflow_provider_grok.api.model import BillableModel
from airflow_provider_grok.api.storage import FileOutput, check_id

if TYPE_CHECKING:
    from airflow_provider_grok.api.answer import Answer

#: Reads the document of a finished job.
Finish = Callable[[str, Mapping[str, Any]], Progress]

_FINISHED = frozenset({"done", "completed", "succeeded"})
_ENDED_BADLY = frozenset({"failed", "expired", "cancelled"})
#: An id that can stand in a path and in a log.
_PLAIN_ID = re.compile(r"(?!\.+\Z)[\x21-\x7e]{1,255}")
_MEDIA_NAMES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".mov", ".webm", ".mp3", ".wav")


class Asset(BillableModel):
    """An image or a video as a job's result shows it; `url` dies soon, `file_output` is the stored copy."""

    url: str | None = None
    file_output: FileOutput | None = None
    storage_error: str | None = None
    respect_moderation: bool | None = None

    @property
    def moderated(self) -> bool:
        """Whether the content rules took it away; it was billed all the same."""
        return self.respect_moderation is False

    @property
    def present(self) -> bool:
        """Whether there is anything to keep."""
        return not self.moderated and bool(self.url or self.file_output)


def source(value: object, what: str = "image") -> dict[str, str]:
    """Say where the API finds a source: `{"file_id": ...}` or `{"url": ...}`.

    :param value: a file id or an https URL.
    :param what: the argument's name, for the error.
    :raises InvalidRequest: for anything else: a list, a data URL, a local path.
    """
    if isinstance(value, list | tuple | set | dict):
        many = "" if what != "image" else "Give several sources of one picture as images=[...]; "
        pair = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)
        raise errors.InvalidRequest(
            f"{what}= takes one source, and got a {type(value).__name__} of {len(value)}. {many}"
            f"{'for' if many else 'For'} one result per source use .expand({what}=...)"
            f"{', over a list: over a dict it gives pairs of key and value' if pair else ''}."
        )
    if isinstance(value, bytes | bytearray | memoryview | PathLike):
        got = "a path" if isinstance(value, PathLike) else f"{len(value)} bytes"
        raise errors.InvalidRequest(
            f"{what}= got {got}, and bytes do not travel in requests: upload it first with GrokUploadOperator and give "
            "the id that it returns."
        )
    given = value.strip() if isinstance(value, str) else ""
    if given in ("", "None"):
        raise errors.InvalidRequest(f"{what}={validation.shown(value)} is no source. Give a file id or an https URL.")
    if "://" in given and urlsplit(given).scheme in ("http", "https"):
        return {"url": _public(given, what)}
    if "/" in given or "\\" in given or given.startswith("data:") or given.lower().endswith(_MEDIA_NAMES):
        raise errors.InvalidRequest(
            f"{what}={errors.clean(given, 60)!r} is neither a file id nor an https URL, and bytes do not travel in "
            "requests: upload it first with GrokUploadOperator and give the id that it returns."
        )
    return {"file_id": check_id(given)}


def _public(url: str, what: str) -> str:
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or _is_loopback(parts.hostname)):
        return url
    raise errors.InvalidRequest(
        f"{what}: {parts.scheme}://{parts.hostname or ''} is not fetched: only https. Give an https URL, or upload it "
        "first with GrokUploadOperator."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def submit(kind: Kind, path: str, body: Mapping[str, Any], finish: Finish) -> Call[Accepted]:
    """Send a request that costs money.

    :param kind: image or video.
    :param path: where to.
    :param body: the request.
    :param finish: reads a result that comes at once.
    """

    def read(answer: Answer) -> Accepted:
        document = answer.json()
        job_id = document.get("request_id")
        job_id = job_id if isinstance(job_id, str) and _PLAIN_ID.fullmatch(job_id) else None
        progress = _progress(kind, job_id or "(answered at once)", document, answer, finish)
        if progress.state != "pending":
            return Accepted(kind, job_id, progress)
        if job_id:
            return Accepted(kind, job_id)
        raise errors.NotAnApiResponse(
            f"{answer.method} {answer.path} answered {answer.status} with neither a request_id nor a result (fields: "
            f"{errors.clean(', '.join(document), 200)}). Whether it was billed is not known."
        )

    return Call("POST", path, read, body=body, paid=True, limit=MEDIA_LIMIT)


def poll(kind: Kind, request_id: str, finish: Finish) -> Call[Progress]:
    """Ask once how a job is; every odd answer that was ever seen has a meaning here.

    :param kind: image or video.
    :param request_id: the server's id of the job.
    :param finish: reads the document of a finished job.
    """

    def read(answer: Answer) -> Progress:
        if answer.status == 202 and not answer.body.strip():
            return Progress("pending")
        document = answer.document()
        if answer.status == 400:
            refusal = _refusal(answer)
            # A wrong key is a 400 too, and says nothing about the job.
            if isinstance(refusal, errors.PermissionDenied):
                raise refusal
            failure = _failure(kind, request_id, "failed", answer)
            return Progress("failed", failure=failure, odd=True, refused=True)
        return _progress(kind, request_id, document, answer, finish)

    path = f"{KINDS[kind].path}/{quote(request_id, safe='')}"
    return Call("GET", path, read, accept=frozenset({400}), limit=MEDIA_LIMIT)


def _refusal(answer: Answer) -> errors.ApiError:
    return errors.refusal(
        answer.method,
        answer.path,
        answer.status,
        answer.body,
        request_id=answer.request_id,
        paid=False,
        retry_after=answer.retry_after(),
    )


def _progress(kind: Kind, job_id: str, document: Mapping[str, Any], answer: Answer, finish: Finish) -> Progress:
    status = document.get("status")
    status = status if status is None or isinstance(status, str) else "unknown"
    if status in _FINISHED or (status is None and ("data" in document or "video" in document)):
        return finish(job_id, document)
    if status in _ENDED_BADLY or (status is None and "error" in document):
        failure = _failure(kind, job_id, str(status or "failed"), answer)
        return Progress("failed", failure=failure, odd=status is None)
    percent = document.get("progress")
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
        return Progress("pending")
    return Progress("pending", note=f"{percent} %", done=percent / 100)


def _failure(kind: Kind, job_id: str, status: str, answer: Answer) -> errors.JobFailed:
    code, message, ticks = errors.parse_body(answer.body)
    failed = errors.JobModerated if errors.is_moderation(message) else errors.JobFailed
    code = code or ("" if status == "failed" else status)
    return failed(kind, job_id, code, message, None if ticks is None else ticks > 0, ticks)


def ended(kind: Kind, job_id: str, result: Any, assets: Sequence[Asset], ticks: int | None) -> Progress:
    """Say what a finished job came to: an end with nothing to keep is a failure, which was billed all the same.

    :param kind: image or video.
    :param job_id: the server's id of the job.
    :param result: what it made, as its own kind's model.
    :param assets: the images or the video in it.
    :param ticks: what was charged, where the answer said so.
    """
    if any(asset.present for asset in assets):
        return Progress("done", result)
    if any(asset.moderated for asset in assets):
        words = "the result was rejected by content moderation (respect_moderation is false)"
        moderated = errors.JobModerated(kind, job_id, "invalid-argument", words, ticks != 0, ticks)
        return Progress("failed", result, moderated)
    words = f"it is done, and its answer holds no {kind}: neither a link nor a stored file"
    empty = errors.JobFailed(kind, job_id, "", words, bool(ticks) if ticks is not None else None, ticks)
    # Its stored file may be there all the same.
    empty.outcome_unknown = True
    return Progress("failed", result, empty)
