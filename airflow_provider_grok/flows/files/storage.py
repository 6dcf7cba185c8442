"""Object storage as the flows see it: a protocol that hooks fill (flows import no Airflow), its errors as ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from airflow_provider_grok.api import errors

#: What no repeat mends: a person has to change the path or its rights.
_PERMANENT = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


class StoragePath(Protocol):
    """One object in a storage. Only rights on the object itself are used: no bucket is looked at or made."""

    def get_file(self, into: Path, limit: int) -> None:
        """Copy the object to a local file.

        :param into: the local file.
        :param limit: largest size that is taken, in bytes.
        :raises InvalidRequest: for a larger one.
        """

    def put_file(self, copy: Path, *, new: bool = False) -> None:
        """Copy a local file to the object; it is there whole or not at all.

        :param copy: the local file.
        :param new: only where there is no such object yet.
        :raises FileExistsError: with `new`, where there is one.
        :raises NotImplementedError: with `new`, for a storage that cannot promise it.
        """

    def exists(self) -> bool:
        """Whether there is such an object."""


OpenStorage: TypeAlias = Callable[[str], StoragePath]


def _no_storage(url: str) -> StoragePath:
    raise errors.InvalidRequest(
        f"{url} cannot be opened: nothing here knows object storages. Use it in an Airflow task, or give a local path."
    )


_default: list[OpenStorage] = [_no_storage]


def use_storage(opener: OpenStorage) -> None:
    """Say how object storage is opened where a caller hands in nothing; the hook does, when it is imported.

    :param opener: gives the object that a URL names.
    """
    _default[0] = opener


def object_at(url: str, opener: OpenStorage | None = None) -> StoragePath:
    """The object that a URL names; what is raised is the storage's own.

    :param url: object-storage URL.
    :param opener: how to open it; None: as the hook said.
    """
    return (opener or _default[0])(url)


def open_object(url: str, opener: OpenStorage | None = None) -> StoragePath:
    """The object that a URL names, to be read.

    :param url: object-storage URL.
    :param opener: how to open it; None: as the hook said.
    :raises InvalidRequest: for a storage that is not installed or not known.
    """
    try:
        return object_at(url, opener)
    except errors.GrokError:
        raise
    except (ImportError, ValueError) as error:
        raise errors.InvalidRequest(
            f"{url} cannot be opened ({errors.clean(str(error))}). Install the provider of that storage with its "
            "filesystem, e.g. the extra `s3` or `gcs` of this package."
        ) from error
    except Exception as error:  # a connection that is missing, a login that failed: each storage has its own errors
        raise errors.GrokError(f"{url} could not be opened {_words(error)}.") from error


def local_path(target: str) -> Path | None:
    """The local path that a text means; None for an object-storage URL.

    :param target: path, `file:` URL, or object-storage URL.
    :raises InvalidRequest: for a home folder that does not exist.
    """
    if target.startswith("file:"):
        path = target.removeprefix("file:")
        return Path(f"/{path.lstrip('/')}" if path.startswith("//") else path)
    if "://" in target:
        return None
    try:
        return Path(target).expanduser()
    except (RuntimeError, ValueError) as error:
        raise errors.InvalidRequest(f"{target!r} is no path ({errors.clean(str(error))}). Give a full path.") from error


def path_text(value: Any) -> str | None:
    """A `Path` or an `ObjectStoragePath` as text, with the connection's id in an object's URL; None for anything else.

    :param value: the path.
    """
    if isinstance(value, str):
        return value
    is_object = hasattr(value, "protocol") and hasattr(value, "path")
    return str(value) if is_object or isinstance(value, os.PathLike) else None


def name_in(source: str) -> str:
    """The file name at the end of a path or URL.

    :param source: path, object-storage URL or https URL; only the last is read as a URL, so that `#` and `?` in the
        names of files and objects are letters like others.
    """
    if source.startswith(("http://", "https://")):
        source = unquote(urlsplit(source).path)
    return source.rstrip("/").rpartition("/")[2]


@contextmanager
def storage_errors(target: str, done: Literal["read", "written"]) -> Iterator[None]:
    """Raise what a storage raises as an error of ours.

    :param target: path or URL, for the error.
    :param done: what was to be done with it.
    :raises InvalidRequest: where only a person can help.
    :raises GrokError: where another try may help.
    """
    try:
        yield
    except errors.GrokError:
        raise
    except (*_PERMANENT, ImportError, ValueError) as error:
        raise errors.InvalidRequest(f"{target} cannot be {done} {_words(error)}. {_remedy(done)}") from error
    except Exception as error:  # every storage has exceptions of its own
        raise errors.GrokError(f"{target} could not be {done} {_words(error)}. {_remedy(done)}") from error


def _remedy(done: str) -> str:
    if done == "read":
        return "Check the path, and the rights of its connection."
    return "Check the destination, its rights and the provider of its storage; folders and buckets must exist."


def _words(error: Exception) -> str:
    said = errors.clean(str(error), 300).rstrip(". ")
    return f"({type(error).__name__}){': ' if said else ''}{said}"
