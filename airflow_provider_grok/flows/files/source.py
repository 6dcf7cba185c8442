"""Sources of uploads: paths, objects and links, brought to a local file; what is no source is told by what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_grok.api import errors, files
from airflow_provider_grok.api.call import BlockingCall, Flow
from airflow_provider_grok.api.endpoint import Endpoint
from airflow_provider_grok.flows.files.storage import (
    OpenStorage,
    local_path,
    name_in,
    open_object,
    path_text,
    storage_errors,
)


def source_text(source: Any) -> str:
    """A source as text: a path or a URL.

    :param source: text, a path, or an `ObjectStoragePath`.
    :raises InvalidRequest: for anything else, by what it is.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        raise errors.InvalidRequest(
            f"source is {len(source)} bytes, and bytes do not travel in arguments. Write them to a file and give its "
            "path."
        )
    if source is None or (isinstance(source, str) and source.strip() in ("", "None")):
        raise errors.InvalidRequest(
            f"source={source!r} is nothing to upload. Give a path or a URL; a template that rendered to nothing may "
            "name a task or a key that pushed none."
        )
    text = path_text(source)
    if text is None:
        raise errors.InvalidRequest(
            f"source={errors.clean(repr(source), 100)} is a {type(source).__name__}. Give a path or a URL."
        )
    _check(text)
    return text


def _check(source: str) -> None:
    if source.startswith("data:"):
        raise errors.InvalidRequest("source is a data URL. Write the picture to a file and give its path.")
    if source.startswith(("file_", "file-")) and not Path(source).exists():
        raise errors.InvalidRequest(
            f"source={source!r} is a file id: it is stored already. Give it to `image`, `video` or `file` as it is."
        )


def local_copy(
    endpoint: Endpoint, source: str, folder: Path, *, open_storage: OpenStorage | None = None
) -> Flow[tuple[Path, str]]:
    """A local copy of a source, and the name it has where it comes from; a local file is its own copy.

    :param endpoint: says from which hosts an https URL may be fetched.
    :param source: local path, object-storage URL that Airflow knows, or https URL on an allowed host.
    :param folder: where to put the copy.
    :param open_storage: how object storage is opened; None: as the hook said.
    :raises InvalidRequest: for a source that cannot be read, or is none.
    """
    source = source_text(source)
    copy = folder / "source"
    if source.startswith(("http://", "https://")):
        yield from files.fetch(endpoint, source, copy, limit=files.UPLOAD_LIMIT)
    elif path := local_path(source):
        yield BlockingCall(lambda: _check_file(path, source))
        return path, path.name
    else:
        yield BlockingCall(lambda: _fetch_object(source, copy, open_storage))
    return copy, name_in(source) or "file"


def _check_file(path: Path, source: str) -> None:
    if path.is_dir():
        raise errors.InvalidRequest(
            f"source={source!r} is a folder. Give its files one by one, e.g. as a list: "
            "[str(path) for path in Path(...).iterdir()]."
        )
    if source.startswith("file:"):
        with storage_errors(source, "read"):
            size = path.stat().st_size
        if size > files.UPLOAD_LIMIT:
            raise errors.InvalidRequest(
                f"{source} has {size} bytes; the API takes 1 to {files.UPLOAD_LIMIT} (48 MB). Make it smaller."
            )


def _fetch_object(url: str, into: Path, opener: OpenStorage | None) -> None:
    with storage_errors(url, "read"):
        open_object(url, opener).get_file(into, files.UPLOAD_LIMIT)
