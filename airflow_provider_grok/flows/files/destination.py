"""Where files are put: whole or not at all, not over one another, under names that every file system can hold."""

from __future__ import annotations

import filecmp
import os
import re
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.flows.files.storage import (
    OpenStorage,
    StoragePath,
    local_path,
    object_at,
    path_text,
    storage_errors,
)

#: The longest name that file systems hold, in bytes of UTF-8; some room is left for a file id before the ending.
LONGEST_NAME = 200
#: What some file system cannot hold in a name, or a shell or a URL reads as something else than a letter.
_UNSAFE = re.compile(r'[/\\:*?"<>|]+')
_MOST_ENDING = 16


def is_folder(target: str) -> bool:
    """Whether a destination is a folder: it ends in `/`, or is a local folder that exists.

    Object storages are not asked: there a bucket is one, and whatever ends in no name with an ending.

    :param target: path or object-storage URL.
    """
    if target.endswith("/"):
        return True
    path = local_path(target)
    if path is None:
        key = target.partition("://")[2].partition("/")[2]
        return not Path(key).suffix
    return path.is_dir()


def in_folder(folder: str, name: str) -> str:
    """The destination of a file in a folder.

    :param folder: path or object-storage URL.
    :param name: the file's name.
    """
    return f"{folder.rstrip('/')}/{name}" if folder.rstrip("/") else f"/{name}"


def safe_name(name: str, otherwise: str) -> str:
    """A server's file name as the name of a local file: its letters stay, but it is never a path, never hidden.

    :param name: the name as the server gave it.
    :param otherwise: what to take where nothing of it is left.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(one if one.isprintable() else "_" for one in last)
    flat = _UNSAFE.sub("_", shown).lstrip(". ").rstrip(". ")
    return _shortened(flat) or _UNSAFE.sub("_", otherwise)


def _shortened(name: str) -> str:
    stem, ending = _split(name)
    room = LONGEST_NAME - len(ending.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + ending if name else ""


def _split(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending) if stem and 0 < len(ending) <= _MOST_ENDING else (name, "")


def with_id(name: str, file_id: str) -> str:
    """A file's name with its id before the ending, which no other file has.

    :param name: the file's safe name.
    :param file_id: the file.
    """
    stem, ending = _split(name)
    return f"{stem}.{safe_name(file_id, 'file')}{ending}"


def same_to_a_file_system(name: str) -> str:
    """What two names have in common that some file system takes for one: letter case and Unicode forms.

    :param name: the name.
    """
    return unicodedata.normalize("NFKC", name).casefold()


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A new file beside a target, with the rights that any new file has; what is left of it in the end is removed.

    :param target: the target; its folder is made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.parent / f".grok-{uuid.uuid4().hex[:16]}"
    # Only a file that is new: whatever another user has put there is not followed.
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield copy
    finally:
        with suppress(FileNotFoundError):
            copy.unlink()


def put(copy: Path, target: str, open_storage: OpenStorage | None = None) -> None:
    """Copy a whole local file to a path or an object-storage URL, over what is there.

    :param copy: the local file; it may be moved.
    :param target: where to; local folders are made, buckets are not.
    :param open_storage: how object storage is opened; None: as the hook said.
    :raises InvalidRequest: when it cannot be written there, and only a person can help.
    :raises GrokError: when another try may help.
    """
    path = local_path(target)
    with storage_errors(target, "written"):
        if path is None:
            object_at(target, open_storage).put_file(copy)
        else:
            _place(copy, path, _replace)


def put_new(copy: Path, folder: str, name: str, file_id: str, open_storage: OpenStorage | None = None) -> str:
    """Copy a whole local file into a folder, and say where it is; another file that is there stays as it is.

    The same content under the same name is taken for an earlier try's. Where the name is taken by other content, or
    the storage cannot tell, the file's id stands before the ending.

    :param copy: the local file; it may be moved.
    :param folder: path or object-storage URL.
    :param name: the file's safe name.
    :param file_id: the file.
    :param open_storage: how object storage is opened; None: as the hook said.
    :raises GrokError: when it cannot be written there; permanent where only a person can help.
    """
    target, other = in_folder(folder, name), in_folder(folder, with_id(name, file_id))
    path = local_path(target)
    with storage_errors(target, "written"):
        if path is not None:
            if _place(copy, path, _link) or _same(copy, path):
                return target
        elif _put_new_object(copy, object_at(target, open_storage)):
            return target
    put(copy, other, open_storage)
    return other


def _place(copy: Path, target: Path, move: Callable[[Path, Path], bool]) -> bool:
    """Put a file in place; one that lies elsewhere is first copied beside its target, so that it appears whole."""
    if target.is_dir():
        raise IsADirectoryError("it is a folder")
    if copy.parent == target.parent:
        return move(copy, target)
    with beside(target) as near:
        _copy(copy, near)
        return move(near, target)


def _copy(source: Path, target: Path) -> None:
    import shutil

    with source.open("rb") as read, target.open("wb") as write:
        shutil.copyfileobj(read, write, 2**20)


def _replace(copy: Path, target: Path) -> bool:
    # A symlink at the target is replaced, not followed.
    copy.replace(target)
    return True


def _link(copy: Path, target: Path) -> bool:
    """Give a file its name, unless the name is taken."""
    try:
        os.link(copy, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):
        # File systems without hard links: the name is claimed by an empty file, which is then replaced.
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            return False
        copy.replace(target)
    return True


def _same(copy: Path, target: Path) -> bool:
    return target.is_file() and not target.is_symlink() and filecmp.cmp(copy, target, shallow=False)


def _put_new_object(copy: Path, there: StoragePath) -> bool:
    """Create an object; says whether it stands there, with this content."""
    try:
        there.put_file(copy, new=True)
        return True
    except NotImplementedError:
        return False
    except FileExistsError:
        return _same_object(copy, there)


def _same_object(copy: Path, there: StoragePath) -> bool:
    with tempfile.TemporaryDirectory(prefix="grok-") as folder:
        other = Path(folder) / "other"
        try:
            there.get_file(other, copy.stat().st_size)
        except Exception:  # not to be read, or larger: then it is taken for another
            return False
        return filecmp.cmp(copy, other, shallow=False)


def exists(target: str, open_storage: OpenStorage | None = None) -> bool:
    """Whether there is something at a path or object-storage URL already.

    :param target: path or URL.
    :param open_storage: how object storage is opened; None: as the hook said.
    :raises GrokError: when the storage does not say.
    """
    path = local_path(target)
    with storage_errors(target, "read"):
        return path.exists() if path is not None else object_at(target, open_storage).exists()


def check_destination(folder: str, open_storage: OpenStorage | None = None) -> None:
    """See that a folder can be written to, before anything is fetched that is meant for it.

    A local folder is made and tried. Of an object storage only its client is opened: a trial object would need the
    right to delete it again.

    :param folder: path or object-storage URL.
    :param open_storage: how object storage is opened; None: as the hook said.
    :raises GrokError: when it cannot; permanent where only a person can help.
    """
    path = local_path(folder)
    if path is None:
        with storage_errors(folder, "written"):
            object_at(in_folder(folder, "x"), open_storage)
        return
    with storage_errors(folder, "written"), beside(path / "x"):
        pass


def destination_text(value: Any, *, several: bool = False) -> str:
    """A destination as text.

    :param value: path, `ObjectStoragePath` or text.
    :param several: whether it is for several files: a path object, which has no `/` at its end, is a folder then.
    :raises InvalidRequest: for anything else, and for blank text.
    """
    text = path_text(value) or ""
    if not text.strip() or text.strip() == "None":
        raise errors.InvalidRequest(
            f"destination={errors.clean(repr(value), 100)} is no path. Give a path or an object-storage URL."
        )
    return text if isinstance(value, str) or not several else f"{text.rstrip('/')}/"
