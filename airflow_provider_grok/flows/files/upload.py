"""Storing a file once: its content names it, so an unchanged file is found again instead of sent again."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import BlockingCall, Flow, Now, Sleep
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.result_store import lives_long_enough
from airflow_provider_grok.flows.purchases.key import Reuse
from airflow_provider_grok.flows.purchases.names import marked_name
from airflow_provider_grok.flows.purchases.store import TaskIdentity

CHUNK = 2**20
_MARK = re.compile(r"\.([0-9a-f]{12})(?:\.[^.]*)?$")
#: Seconds after which a file whose upload's answer was lost is in the listing, if it arrived.
SETTLING = 2.0


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
    source: str,
    buyer: TaskIdentity,
    *,
    filename: str | None = None,
    expires_after: int | None = None,
    reuse: Reuse = "always",
    log: logging.Logger | Any = None,
) -> Flow[Uploaded]:
    """Store a source at xAI, unless the same content is there and lives long enough.

    :param endpoint: where and as whom.
    :param source: local path, object-storage URL that Airflow knows, or https URL on an allowed host.
    :param buyer: the task instance, which counts unless `reuse` is `always`.
    :param filename: name to store it under; None: its own. A digest of the content goes before its ending.
    :param expires_after: its life in seconds; None: no end.
    :param reuse: `always`: the same content is the same file for the whole team; `run`, `attempt`: only for this task.
    :param log: where to tell what happens.
    :raises InvalidRequest: for a source that is missing, empty, over 48 MB, or no source at all.
    """
    log = log or logging.getLogger(__name__)
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        path, own_name = yield from local_copy(endpoint, source, Path(folder))
        name = _name(filename or own_name, (yield BlockingCall(lambda: _sha256(path))), buyer, reuse)
        call = files.upload(path, filename=name, expires_after=expires_after)
        size = path.stat().st_size
        known = yield from _known(name, size, expires_after)
        if known:
            log.info("%s is stored already, with the same content, as %s (%s): not sent again.", source, known.id, name)
            return Uploaded(known, True, source)
        try:
            file = yield from call
        except (errors.ResponseLost, errors.ServerUnavailable) as error:
            log.warning("%s Looking whether the file arrived.", error)
            yield Sleep(SETTLING)
            found = yield from _known(name, size, expires_after)
            file = found or (yield from call)
        log.info("Stored %s (%d bytes) as %s (%s).", source, size, file.id, name)
        return Uploaded(file, False, source)


def is_shared_upload(file: files.File) -> bool:
    """Whether a stored file is named after its own content, so that other DAGs may use it too.

    :param file: the file.
    """
    return _MARK.search(file.filename) is not None


def _name(name: str, sha256: str, buyer: TaskIdentity, reuse: Reuse) -> str:
    token = sha256[:12] if reuse == "always" else buyer.token(sha256, reuse, buyer.max_tries)
    return marked_name(token, filename=name, default="file", extension="")


def _known(name: str, size: int, expires_after: int | None) -> Flow[files.File | None]:
    found = yield from files.find(name, size=size)
    now: float = yield Now()
    return next((file for file in found if lives_long_enough(file, expires_after, now)), None)


def local_copy(endpoint: Endpoint, source: str, folder: Path) -> Flow[tuple[Path, str]]:
    """A local copy of a source, and the name it has where it comes from; a local file is its own copy.

    :param endpoint: says from which hosts an https URL may be fetched.
    :param source: local path, object-storage URL that Airflow knows, or https URL on an allowed host.
    :param folder: where to put the copy.
    :raises InvalidRequest: for a source that cannot be read, or is none.
    """
    _check(source)
    if "://" not in source:
        path = Path(source).expanduser()
        return path, path.name
    name = unquote(urlsplit(source).path).rstrip("/").rpartition("/")[2] or "file"
    copy = folder / "source"
    if source.startswith(("http://", "https://")):
        yield from files.fetch(endpoint, source, copy, limit=files.UPLOAD_LIMIT)
    else:
        yield BlockingCall(lambda: _copy_object(source, copy))
    return copy, name


def _check(source: str) -> None:
    if not isinstance(source, str) or not source.strip():
        raise errors.InvalidRequest(f"source={source!r} is nothing to upload. Give a path or a URL.")
    if source.startswith("data:"):
        raise errors.InvalidRequest("source is a data URL. Write the picture to a file and give its path.")
    if source.startswith(("file_", "file-")) and not Path(source).exists():
        raise errors.InvalidRequest(
            f"source={source!r} is a file id: it is stored already. Give it to `image`, `video` or `file` as it is."
        )


def _copy_object(url: str, into: Path) -> None:
    from airflow.sdk import ObjectStoragePath

    try:
        path: Any = ObjectStoragePath(url)
        with path.open("rb") as remote, into.open("wb") as local:
            size = 0
            while chunk := remote.read(CHUNK):
                size += local.write(chunk)
                if size > files.UPLOAD_LIMIT:
                    raise errors.InvalidRequest(
                        f"{url} has over {files.UPLOAD_LIMIT} bytes (48 MB); the API takes no more. Make it smaller."
                    )
    except errors.GrokError:
        raise
    except (ImportError, ValueError) as error:
        raise errors.InvalidRequest(
            f"{url} cannot be opened ({errors.clean(str(error))}). Install the provider of that storage with its "
            "filesystem, e.g. the extra `s3` or `gcs` of this package."
        ) from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise errors.InvalidRequest(
            f"{url} cannot be read ({type(error).__name__}). Check the path, and the rights of its connection."
        ) from error
    except Exception as error:  # every storage has exceptions of its own
        raise errors.GrokError(
            f"{url} could not be read: {errors.clean(f'{type(error).__name__}: {error}')}"
        ) from error


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
