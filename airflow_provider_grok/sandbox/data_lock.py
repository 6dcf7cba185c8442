"""One process for each data folder: two would bill twice and hand out the same ids."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class DataLock:
    """A lock on a data folder; it ends with the process, however that ends.

    :param folder: made if missing, for the owner only.
    :raises OSError: if another process has it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(folder / "sandbox.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise OSError(
                f"the folder {folder} is in use by another sandbox (process {owner or 'unknown'}). "
                "Stop that one, or give this one another --data folder."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._file)
