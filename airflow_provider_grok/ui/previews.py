"""Previews of files without a public link, for the connections that `airflow.cfg` names: fetched once, then kept.

The key stays in the API server. A file is shown only if its stored name bears our key (an upload: if its content has
the digest that its name bears) and its first bytes are those of a picture or an MP4. xAI bills downloads, so what was
fetched is kept on disk, in a folder of bounded size that ends with the process.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import re
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_grok.ui.names import PURCHASE, bears_purchase_key, upload_digest

if TYPE_CHECKING:
    from airflow_provider_grok.api.call import Call
    from airflow_provider_grok.ui.receipts import Receipt

T = TypeVar("T")
log = logging.getLogger(__name__)

#: The largest file that is previewed, and what the folder holds at the most, in bytes.
FILE_LIMIT, FOLDER_LIMIT = 100 * 2**20, 1024 * 2**20
#: Seconds until a file that is kept is asked for again (it may be deleted), and a failed one is tried again.
FRESH, FAILED = 600.0, 60.0
#: Seconds without a byte after which the API counts as not answering.
PATIENCE = 15.0
#: The most failures that are remembered.
MOST_FAILURES = 10_000
SHOWN = frozenset({"image/png", "image/jpeg", "image/webp", "video/mp4"})
MANIFEST = "application/jsonl"
_MANIFEST_NAME = re.compile(rf"\.manifest\.[0-9a-f]{{{PURCHASE}}}\.(?:[0-9a-f]+\.)?jsonl\Z")


class NoPreview(Exception):
    """A file that is not shown, and why."""


@dataclass(frozen=True)
class Preview:
    """A file that was fetched.

    :param content_type: told from its first bytes.
    :param size: bytes.
    :param checked: when the API was last asked for it, on the process's clock.
    """

    path: Path
    content_type: str
    size: int
    checked: float


@dataclass(frozen=True)
class Policy:
    """Which connections may be asked for previews.

    :param conn_ids: the connections that `[grok] gallery_preview_conn_ids` names.
    """

    conn_ids: tuple[str, ...] = ()

    @classmethod
    def of_airflow(cls) -> Policy:
        """Read Airflow's settings."""
        from airflow.configuration import conf

        listed = conf.get("grok", "gallery_preview_conn_ids", fallback="")
        return cls(tuple(filter(None, re.split(r"[\s,]+", listed))))

    def connection(self, receipt: Receipt) -> str | None:
        """The connection that a receipt's files may be asked for with; None where there is none.

        A receipt names one at the most; whether it counts, the settings say. One before 0.2 names none.

        :param receipt: the receipt.
        """
        if receipt.conn_id:
            return receipt.conn_id if receipt.conn_id in self.conn_ids else None
        return self.conn_ids[0] if len(self.conn_ids) == 1 else None


class Previews:
    """Files fetched for previews, newest last.

    :param folder_limit: bytes that are kept at the most.
    """

    def __init__(self, folder_limit: int = FOLDER_LIMIT) -> None:
        self._limit = folder_limit
        self._kept: OrderedDict[tuple[str, str], Preview] = OrderedDict()
        self._failed: dict[tuple[str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._folder: Path | None = None

    def get(self, conn_id: str, file_id: str, *, manifest: bool = False) -> Preview:
        """Give a file, from the folder or from the API; two that ask at once make one download.

        :param conn_id: a connection that the settings name.
        :param file_id: a file that an XCom names.
        :param manifest: take a batch's manifest, and nothing else.
        :raises NoPreview: for one that is not shown.
        """
        key = (conn_id, file_id)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            try:
                found = self._known(key) or self._fetch(key)
            finally:
                with self._lock:
                    self._locks.pop(key, None)
        if (found.content_type == MANIFEST) is not manifest:
            raise NoPreview("The file is neither a picture nor an MP4." if not manifest else "It is no manifest.")
        return found

    def _known(self, key: tuple[str, str]) -> Preview | None:
        now = time.monotonic()
        with self._lock:
            until, why = self._failed.get(key, (0.0, ""))
            found = self._kept.get(key)
            if found:
                self._kept.move_to_end(key)
        if until > now:
            raise NoPreview(why)
        if found and found.checked + FRESH < now:
            try:
                self._record(key)
            except NoPreview:
                self._forget(key)
                raise
            found = replace(found, checked=now)
            with self._lock:
                self._kept[key] = found
        return found

    def _fetch(self, key: tuple[str, str]) -> Preview:
        path = self._path(key)
        try:
            name = self._record(key)
            content_type, digest = self._download(key, path, name)
            if not bears_purchase_key(name) and digest[:12] != upload_digest(name):
                raise NoPreview("Its name bears no key of this package.")
            if content_type not in SHOWN and content_type != MANIFEST:
                raise NoPreview("The file is neither a picture nor an MP4.")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, NoPreview):
                self._remember(key, str(error))
            raise
        found = Preview(path, content_type, path.stat().st_size, time.monotonic())
        self._keep(key, found)
        return found

    def _record(self, key: tuple[str, str]) -> str:
        """The stored name of a file that is ours; asking costs nothing."""
        from airflow_provider_grok.api import files

        conn_id, file_id = key
        file = _asked(conn_id, files.get(file_id))
        if not bears_purchase_key(file.filename) and upload_digest(file.filename) is None:
            raise NoPreview("Its name bears no key of this package.")
        if file.bytes > FILE_LIMIT:
            raise NoPreview(f"The file has {file.bytes} bytes, more than a preview shows.")
        return str(file.filename)

    def _download(self, key: tuple[str, str], path: Path, name: str) -> tuple[str, str]:
        from airflow_provider_grok.api import files

        conn_id, file_id = key
        got = _asked(conn_id, files.content(file_id, path, limit=FILE_LIMIT))
        # By the first bytes alone: the copy's name has no ending. A manifest has none of its own, but a name of ours.
        kind = files.media_type(path)
        return MANIFEST if kind not in SHOWN and _MANIFEST_NAME.search(name) else kind, got.sha256

    def _keep(self, key: tuple[str, str], found: Preview) -> None:
        with self._lock:
            self._kept[key] = found
            size = sum(one.size for one in self._kept.values())
            while size > self._limit and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                size -= oldest.size
                oldest.path.unlink(missing_ok=True)

    def _forget(self, key: tuple[str, str]) -> None:
        with self._lock:
            gone = self._kept.pop(key, None)
        if gone:
            gone.path.unlink(missing_ok=True)

    def _remember(self, key: tuple[str, str], why: str) -> None:
        log.info("No preview of %s with connection %s: %s", key[1], key[0], why)
        with self._lock:
            if len(self._failed) >= MOST_FAILURES:
                self._failed.clear()
            self._failed[key] = (time.monotonic() + FAILED, why)

    def _path(self, key: tuple[str, str]) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="grok-previews-"))
                atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / hashlib.sha256("\0".join(key).encode()).hexdigest()


def _asked(conn_id: str, call: Call[T]) -> T:
    """Ask the API with a connection; what goes wrong is told to the log, and to the reader in general words."""
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    from airflow_provider_grok.api import errors, wire
    from airflow_provider_grok.hooks.grok import GrokHook

    try:
        endpoint = GrokHook(conn_id).endpoint
        # A person waits in front of the page: neither long nor often.
        quick = replace(endpoint, timeout=min(endpoint.timeout, PATIENCE), max_attempts=1)
        return wire.run(quick, call, may_buy=False)
    except errors.NotFound:
        raise NoPreview("The connection's team has no such file (any more).") from None
    except (AirflowNotFoundException, errors.GrokError, AirflowException) as error:
        log.warning("A preview with connection %s failed: %s", conn_id, errors.clean(str(error), 500))
        raise NoPreview("The file could not be fetched; the API server's log says why.") from None
