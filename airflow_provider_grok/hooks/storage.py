"""Airflow's object storage for the flows: files are copied by the storage's own client, which streams them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.flows.files.storage import use_storage

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

#: Bytes of one part of an upload, the least that S3 takes, and how many parts are under way: the memory it takes.
PART, PARTS = 5 * 2**20, 1
#: Storages with real folders, which are made where they are missing. Buckets are never made.
WITH_FOLDERS = frozenset({"dbfs", "file", "ftp", "hdfs", "local", "nfs", "sftp", "smb", "ssh", "webhdfs"})


def open_storage(url: str) -> AirflowStoragePath:
    """Open an object of a storage that Airflow knows, with the connection that its URL names.

    :param url: such as `s3://connection@bucket/key`.
    :raises ValueError: for a scheme that no installed provider knows.
    :raises ImportError: for a storage whose client is not installed.
    """
    from airflow.sdk import ObjectStoragePath

    return AirflowStoragePath(ObjectStoragePath(url))


class AirflowStoragePath:
    """An object of a storage that Airflow knows; it is read and written by rights on the object alone.

    :param path: the object.
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path
        self.fs: Any = path.fs

    def get_file(self, into: Path, limit: int) -> None:
        """Copy the object to a local file.

        :param into: the local file.
        :param limit: largest size that is taken, in bytes.
        :raises InvalidRequest: for a larger one.
        """
        from airflow.sdk.lineage import get_hook_lineage_collector

        # Read in one stream: parallel parts are held in memory whole.
        options = self._options("get_file", max_concurrency=1)
        check = _limit(str(self.path), limit)
        self.fs.get_file(self.path.path, str(into), callback=check, **options)
        if not into.is_file():
            raise IsADirectoryError("it is a folder")
        check.set_size(into.stat().st_size)
        get_hook_lineage_collector().add_input_asset(context=self.path, uri=str(self.path))

    def put_file(self, copy: Path, *, new: bool = False) -> None:
        """Copy a local file to the object; it is there whole or not at all.

        :param copy: the local file.
        :param new: only where there is no such object yet.
        :raises FileExistsError: with `new`, where there is one.
        :raises NotImplementedError: with `new`, for a storage that cannot promise it.
        """
        from airflow.sdk.lineage import get_hook_lineage_collector

        options = self._options("put_file", chunksize=PART, max_concurrency=PARTS, overwrite=not new)
        if new:
            options |= self._options("put_file", mode="create")
            if not options.keys() & {"mode", "overwrite"}:
                raise NotImplementedError(f"{self.path.protocol} cannot create without overwriting")
        try:
            self.fs.put_file(str(copy), self.path.path, **options)
        except FileNotFoundError:
            if self.path.protocol not in WITH_FOLDERS:
                raise
            self.fs.makedirs(self.fs._parent(self.path.path), exist_ok=True)
            self.fs.put_file(str(copy), self.path.path, **options)
        get_hook_lineage_collector().add_output_asset(context=self.path, uri=str(self.path))

    def exists(self) -> bool:
        """Whether there is such an object."""
        return bool(self.fs.exists(self.path.path))

    def _options(self, method: str, **wanted: Any) -> dict[str, Any]:
        """Those options that the storage's client knows; the asynchronous ones name them in a method of their own."""
        known = _parameters(getattr(self.fs, f"_{method}", None)) or _parameters(getattr(self.fs, method))
        return {name: value for name, value in wanted.items() if name in known}


def _parameters(method: Callable[..., Any] | None) -> frozenset[str]:
    return frozenset(inspect.signature(method).parameters) if method else frozenset()


def _limit(what: str, limit: int) -> Any:
    """A callback that ends a copy as soon as it is known to be too large."""
    from fsspec.callbacks import Callback

    from airflow_provider_grok.api import errors

    class Limit(Callback):  # type: ignore[misc]
        def call(self, *args: Any, **kwargs: Any) -> None:
            size = max(self.size or 0, self.value)
            if size > limit:
                raise errors.InvalidRequest(
                    f"{what} has {size} bytes; the API takes 1 to {limit} ({limit / 1e6:.0f} MB). Make it smaller."
                )

    return Limit()


use_storage(open_storage)
