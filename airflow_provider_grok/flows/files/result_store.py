"""From a finished job to stored files: nothing that was paid for stays on a link that expires."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import Flow, Now, Sleep
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.api.media_content import check_result
from airflow_provider_grok.api.storage import LONGEST_LIFE, SHORTEST_LIFE
from airflow_provider_grok.flows.files.settle import settled

#: Seconds between two tries to store what the server did not store.
PAUSES = (5.0, 30.0, 60.0)
#: Seconds that a request may take to arrive: a public URL that ends so shortly before its file is asked to end with it.
LATENCY = 5


class Media(Protocol):
    """One picture or video in an answer."""

    @property
    def url(self) -> str | None:
        """Link that expires soon."""

    @property
    def file_output(self) -> files.FileOutput | None:
        """The stored file, where the server stored it."""

    @property
    def storage_error(self) -> str | None:
        """Why the server could not store it."""

    @property
    def respect_moderation(self) -> bool | None:
        """False where the content rules took the picture out."""


@dataclass(frozen=True)
class StoredResult:
    """What became of one asset, as it stands in a receipt.

    :param file_id: the stored file; None where there is none, and `reason` says why.
    :param filename: its name.
    :param expires_at: its end in unix seconds; None: never.
    :param public_url: its public link.
    :param public_url_expires_at: the link's end in unix seconds; None: with the file.
    :param reason: why something is missing.
    """

    file_id: str | None = None
    filename: str | None = None
    expires_at: int | None = None
    public_url: str | None = None
    public_url_expires_at: int | None = None
    reason: str | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> StoredResult:
        """Read a row as a receipt or a record has it; fields of other releases are ignored.

        :param row: the row.
        """
        known = {one.name for one in fields(StoredResult)}
        return cls(**{name: value for name, value in row.items() if name in known})

    @classmethod
    def of_file(cls, file: files.File) -> StoredResult:
        """Describe a file as the Files API shows it.

        :param file: the file.
        """
        return cls(file.id, file.filename, file.expires_at, file.public_url, file.public_url_expires_at)

    def row(self) -> dict[str, Any]:
        """The receipt's row."""
        return asdict(self)


@dataclass(frozen=True)
class NotStored(StoredResult):
    """A result that exists and could not be stored now: its job's answer leads another try to it."""


@dataclass(frozen=True)
class NotStorable(NotStored):
    """A result that was not stored and that only a person can help: by a right, by a host that is trusted."""


@dataclass(frozen=True)
class ResultStore:
    """How results are to be stored.

    :param endpoint: where and as whom.
    :param name: the stored file's name.
    :param expires_after: its lifetime in seconds; None: no end.
    :param link: whether a public link is wanted: None, True (as long as the file lives) or seconds.
    """

    endpoint: Endpoint
    name: str
    expires_after: int | None = None
    link: bool | int | None = None

    @property
    def link_seconds(self) -> int | None:
        """Lifetime of the public URL for the share call; None: as long as the file."""
        return self.link if isinstance(self.link, int) and not isinstance(self.link, bool) else None


def keep_all(storing: ResultStore, made: Iterable[Media]) -> Flow[list[StoredResult]]:
    """See that every asset of a finished job is a stored file, with its link where one was asked for.

    :param storing: how.
    :param made: the assets, in the job's order.
    """
    rows: list[StoredResult] = []
    every = list(made)
    stem, dot, ending = storing.name.rpartition(".")
    for number, media in enumerate(every):
        # Results that the server stored share one name, so a rescued one among them needs its own to be known by.
        name = storing.name if len(every) == 1 else f"{stem}-{number + 1}{dot}{ending}"
        rows.append((yield from _store_one(storing, name, media)))
    return rows


def _store_one(storing: ResultStore, name: str, media: Media) -> Flow[StoredResult]:
    if media.respect_moderation is False:
        return StoredResult(reason="moderated: the content rules took this result out")
    if output := media.file_output:
        row = StoredResult(
            output.file_id,
            output.filename or storing.name,
            output.expires_at,
            output.public_url,
            output.public_url_expires_at,
        )
        return (yield from with_link(storing, row, output.public_url_error))
    return (yield from _store_from_link(storing, name, media))


def _store_from_link(storing: ResultStore, name: str, media: Media) -> Flow[StoredResult]:
    """Store what the server made but did not store; passing errors are retried for a while, for it is paid for."""
    for pause in (*PAUSES, None):
        try:
            return (yield from _store(storing, name, media))
        except errors.GrokError as error:
            if pause is None or error.permanent:
                return _not_stored(name, media, error)
        yield Sleep(pause)
    raise AssertionError("unreachable: the last round returns")


def _not_stored(name: str, media: Media, error: errors.GrokError) -> StoredResult:
    why = errors.clean(media.storage_error or "the answer named no stored file")
    if isinstance(error, errors.NotFound):
        return StoredResult(filename=name, reason=f"lost: not stored ({why}), and its link has died: {error.brief}")
    row = NotStorable if error.permanent else NotStored
    return row(filename=name, reason=f"not stored ({why}), and not rescued from its link: {error.brief}")


def _store(storing: ResultStore, name: str, media: Media) -> Flow[StoredResult]:
    known = yield from files.find(name)
    if known:
        return (yield from with_link(storing, StoredResult.of_file(known[0])))
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        path = Path(folder) / "asset"
        yield from _obtain(storing.endpoint, media, path)
        check_result(path)
        file = yield from files.upload(path, filename=name, expires_after=storing.expires_after)
    return (yield from with_link(storing, StoredResult.of_file(file)))


def _obtain(endpoint: Endpoint, media: Media, path: Path) -> Flow[None]:
    if text := getattr(media, "b64_json", None):
        try:
            path.write_bytes(base64.b64decode(text, validate=True))
        except binascii.Error as error:
            raise errors.NotAnApiResponse(f"A picture came as text that is no base64 ({error}).") from error
    elif media.url:
        yield from files.fetch(endpoint, media.url, path)
    else:
        raise errors.InvalidRequest("The answer held neither a stored file nor a link nor the picture itself.")


def lives_long_enough(file: files.File, wanted: int | None, now: float) -> bool:
    """Whether a stored file may stand in for one that would be made now.

    :param file: the stored file.
    :param wanted: lifetime in seconds that was asked for; None: no end, and only a file without end will do.
    :param now: unix seconds.
    """
    if file.expires_at is None:
        return True
    return wanted is not None and file.expires_at - now >= max(wanted / 2, 3600)


def with_link(storing: ResultStore, row: StoredResult, trouble: str | None = None) -> Flow[StoredResult]:
    """Give a stored file its public URL, where one is wanted and missing or ends too soon; never a reason to lose it.

    :param storing: how.
    :param row: the stored file.
    :param trouble: why the server made no public URL.
    """
    if storing.link is None or storing.link is False or not row.file_id:
        return row
    now: float = yield Now()
    if row.public_url and _lasts(row, storing.link_seconds, now):
        return row
    seconds = public_url_seconds(row, storing.link_seconds, now)
    try:
        link = yield from settled(files.share(row.file_id, expires_after=seconds))
    except errors.GrokError as error:
        return _without_link(row, trouble, error, now)
    return replace(row, public_url=link.public_url, public_url_expires_at=link.expires_at)


def public_url_seconds(row: StoredResult, seconds: int | None, now: float) -> int | None:
    """What lifetime to ask for, so that a public URL lives as long as is wanted, and no longer than its file.

    Without a lifetime the API gives a new public URL the end of its file, but one that is there keeps its own end.

    :param row: the stored file.
    :param seconds: the lifetime that is wanted; None: as long as the file's.
    :param now: unix seconds.
    """
    left = None if row.expires_at is None else int(row.expires_at - now) - LATENCY
    if left is not None and (seconds is None or seconds > left):
        seconds = left
    elif seconds is not None:
        return seconds
    if row.public_url is None or row.public_url_expires_at is None or (seconds or LONGEST_LIFE) < SHORTEST_LIFE:
        return None
    return min(seconds or LONGEST_LIFE, LONGEST_LIFE)


def _without_link(row: StoredResult, trouble: str | None, error: errors.GrokError, now: float) -> StoredResult:
    why = f" (at first: {errors.clean(trouble)})" if trouble else ""
    if row.public_url and (row.public_url_expires_at or 0) > now:
        return replace(
            row, reason=f"stored, but its public link ends soon and could not be renewed{why}: {error.brief}"
        )
    reason = f"stored, but without its public link{why}: {error.brief}"
    return replace(row, public_url=None, public_url_expires_at=None, reason=reason)


def _lasts(row: StoredResult, seconds: int | None, now: float) -> bool:
    """Whether a public URL that a file has may stand for one that would be made now: it has half of its time left.

    :param row: the stored file.
    :param seconds: lifetime of the public URL that is asked for; None: as long as the file's.
    :param now: unix seconds.
    """
    if row.public_url_expires_at is None:
        return True
    left = row.public_url_expires_at - now
    of_file = None if row.expires_at is None else row.expires_at - now
    wanted = min(one for one in (seconds, of_file, float("inf")) if one is not None)
    return left > 0 and left >= wanted / 2
