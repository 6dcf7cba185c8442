"""Storing a file once: its content names it, so an unchanged file is found again instead of sent again."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import BlockingCall, Call, Flow, Now, Sleep
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.result_store import lives_long_enough
from airflow_provider_grok.flows.files.source import local_copy, source_text
from airflow_provider_grok.flows.files.storage import OpenStorage
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import marked_name
from airflow_provider_grok.flows.purchases.store import TaskIdentity

__all__ = ["Uploaded", "is_shared_upload", "is_upload_of", "local_copy", "upload_once"]

CHUNK = 2**20
#: Hex digits of the content's SHA-256 in the name of an upload.
DIGEST_LENGTH = 12
#: A digest near the end of a name, whatever the server made of the dots around it, and of a name that it had already.
_MARK = re.compile(r"[^0-9a-z]([0-9a-f]{12})(?:[ _-]*\(\d+\))?(?:[^0-9a-z][^.]{0,16})?$", re.IGNORECASE)
#: What a server puts behind a name that it has already.
_COUNTED = re.compile(r"[ _-]*\(\d+\)")
#: Pauses, in seconds, after which a file is looked for whose upload's answer was lost; then it is sent again.
PAUSES = (2.0, 5.0)
#: What must not be in a name that the API takes (docs.x.ai, Files API: upload).
_REFUSED = re.compile(r'[\x00-\x1f\x7f\x85\u2028\u2029";\\]+')


@dataclass(frozen=True)
class Uploaded:
    """A stored source.

    :param file: the stored file.
    :param reused: it was there already, and nothing was sent.
    :param source: where it came from.
    """

    file: files.File
    reused: bool
    source: str


def upload_once(
    endpoint: Endpoint,
    source: Any,
    identity: TaskIdentity,
    *,
    filename: str | None = None,
    expires_after: int | None = None,
    reuse: Reuse = "always",
    log: logging.Logger | Any = None,
    open_storage: OpenStorage | None = None,
) -> Flow[Uploaded]:
    """Store a source at xAI, unless the same content is there and lives long enough.

    :param endpoint: where and as whom.
    :param source: local path, object-storage URL that Airflow knows, or https URL on an allowed host.
    :param identity: the task instance, which counts unless `reuse` is `always`.
    :param filename: name to store it under; None: its own. A digest of the content goes before its ending.
    :param expires_after: its lifetime in seconds; None: no end.
    :param reuse: `always`: the same content is the same file for the whole team; `run`, `attempt`: only for this task.
    :param log: where to tell what happens.
    :param open_storage: how object storage is opened; None: as the hook said.
    :raises InvalidRequest: for a source that is missing, empty, over 48 MB, or no source at all.
    """
    log = log or logging.getLogger(__name__)
    source = source_text(source)
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        path, own_name = yield from local_copy(endpoint, source, Path(folder), open_storage=open_storage)
        sha256: str = yield BlockingCall(lambda: _sha256(path))
        mark = sha256[:DIGEST_LENGTH] if reuse == "always" else identity.key(sha256, reuse, identity.max_tries)
        name = marked_name(mark, filename=filename or _allowed(own_name), default="file", extension="")
        call = files.upload(path, filename=name, expires_after=expires_after)
        search = _Search(mark, name, path.stat().st_size, expires_after)
        shown = source.partition("?")[0] if source.startswith(("http://", "https://")) else source
        if known := (yield from search.first(by_name=True)):
            log.info("%s is stored already, with the same content, as %s (%s): not sent again.", shown, known.id, name)
            return Uploaded(known, True, source)
        file = yield from _send(call, search, log)
        if reuse == "always":
            file = yield from _oldest(file, search, log)
        log.info("Stored %s (%d bytes) as %s (%s).", shown, search.size, file.id, file.filename or name)
        return Uploaded(file, False, source)


def _send(call: Call[files.File], search: _Search, log: logging.Logger | Any) -> Flow[files.File]:
    """Send a file; where the answer is lost, it is looked for before it is sent again, once."""
    try:
        return (yield from call)
    except errors.GrokError as error:
        if not error.outcome_unknown:
            raise
        log.warning("%s Looking whether the file arrived.", error)
    for pause in PAUSES:
        yield Sleep(pause)
        if found := (yield from search.first(by_name=True)):
            return found
    return (yield from call)


def _oldest(file: files.File, search: _Search, log: logging.Logger | Any) -> Flow[files.File]:
    """Of several files that tasks stored at the same time, the oldest is everybody's."""
    first = (yield from search.first()) or file
    if first.id != file.id:
        # It is not deleted: a task that did not see the older one may have taken it.
        log.info("Another task stored the same content first: %s is used, and %s is left.", first.id, file.id)
    return first


@dataclass(frozen=True)
class _Search:
    """What is looked for: the digest in the name and the size, for a server may alter the rest of a name.

    :param mark: the digest, or the key of the task's own upload.
    :param name: the whole name.
    :param size: bytes.
    :param expires_after: the lifetime that is asked for, in seconds; None: no end.
    """

    mark: str
    name: str
    size: int
    expires_after: int | None

    def first(self, *, by_name: bool = False) -> Flow[files.File | None]:
        """The oldest stored file that may stand for this one.

        :param by_name: whether to search by the whole name too, for servers that find no part of a name.
        """
        found = yield from files.find_part(self.mark, size=self.size)
        if not found and by_name:
            found = yield from files.find_part(self.name, size=self.size)
        now: float = yield Now()
        for file in found:
            if self._is(file.filename) and lives_long_enough(file, self.expires_after, now):
                return file
        return None

    def _is(self, filename: str) -> bool:
        before, mark, after = filename.lower().rpartition(self.mark)
        stem, _, ending = self.name.rpartition(self.mark)
        return bool(mark) and (_letters(before), _letters(after)) == (_letters(stem), _letters(ending))


def _letters(text: str) -> str:
    """Letters and digits alone: what a server leaves of a name that it lower-cases, trims or normalises."""
    return "".join(one for one in unicodedata.normalize("NFKD", _COUNTED.sub("", text)).casefold() if one.isalnum())


def _allowed(name: str) -> str:
    """A source's own name without what the API refuses; a name that a person gives is refused instead."""
    return _REFUSED.sub("_", name).strip() or "file"


def is_shared_upload(file: files.File) -> bool:
    """Whether a stored file is named after its own content, so that other DAGs may use it too.

    :param file: the file.
    """
    return _MARK.search(file.filename) is not None


def is_upload_of(file: files.File, name: str) -> bool:
    """Whether a stored file is the upload of a file of a name: `hero.<digest>.png` of `hero.png`.

    :param file: the stored file.
    :param name: the name of the source.
    """
    found = _MARK.search(file.filename)
    if not found:
        return False
    mark = found.group(1).lower()
    wanted = marked_name(mark, filename=name, default="file", extension="")
    return _Search(mark, wanted, file.bytes, None)._is(file.filename)


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise errors.InvalidRequest(
            f"There is no file {str(path)!r}. Check the path on the machine that runs the task."
        )
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
