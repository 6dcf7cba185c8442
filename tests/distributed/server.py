"""A server of a test's own: a free port of 127.0.0.1, a temporary folder, and nothing left of it at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from tests.e2e.process import Process
from tests.e2e.rest import until
from tests.e2e.settings import free_port

if TYPE_CHECKING:
    from typing_extensions import Self


class Server(ABC):
    """A server that runs in a `with` block."""

    name = ""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name.lower()}-"))
        self._server = Process(self.command(), log=self.folder / "log", environment=os.environ, cwd=self.folder)

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be asked."""

    @abstractmethod
    def prepare(self) -> None:
        """Do what comes before its start."""

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self._server.start()
            until(self._ready, 60, self._server.output)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(grace=20)
        shutil.rmtree(self.folder)

    def _ready(self) -> bool | None:
        if not self._server.running:
            raise RuntimeError(f"{self.name} ended by itself:\n{self._server.output()}")
        return self.answers() or None
