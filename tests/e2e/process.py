"""One program in its own session, with a log file: started, asked to stop, or killed with everything it forked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]


class Process:
    """A child process that leads a session, so that all of its descendants can be found and ended, and nothing else.

    :param command: program and arguments
    :param log: file that takes stdout and stderr; every start appends to it
    :param environment: the whole environment of the child
    :param cwd: folder to run in
    """

    def __init__(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str], cwd: Path) -> None:
        self.command = list(command)
        self.log = log
        self._environment = dict(environment)
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None
        self._begun_at = 0

    @property
    def running(self) -> bool:
        """Whether the program itself, not only something it forked, is alive."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while running."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        """Start the program.

        :raises RuntimeError: it is running already
        """
        if self.running:
            raise RuntimeError(f"{self.command} is running already; stop or kill it first")
        with self.log.open("ab") as sink:
            self._begun_at = sink.tell()
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._cwd,
                start_new_session=True,
            )

    def output(self) -> str:
        """What it has written since it was last started."""
        return self.log.read_bytes()[self._begun_at :].decode(errors="replace")

    def members(self) -> list[psutil.Process]:
        """Every living process of the session: Airflow's supervisors move theirs to other groups, never to another."""
        if self._popen is None:
            return []
        members = (_living(pid) for pid in psutil.pids() if _session_of(pid) == self._popen.pid)
        return [member for member in members if member is not None]

    def kill(self) -> None:
        """SIGKILL the whole session, as when the machine's power goes: nobody gets to tidy up."""
        # Again until none is left: one may fork while the others die.
        while members := self.members():
            kill_all(members)
        if self._popen is not None:
            self._popen.wait()

    def freeze(self) -> None:
        """SIGSTOP the whole session, as when the machine hangs: it dies to the others, and knows nothing of it."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen session go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for member in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(number)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM the program, then SIGKILL what is left of its session.

        :param grace: seconds to wait in between
        """
        self.terminate()
        self.finish(time.monotonic() + grace)

    def terminate(self) -> None:
        """Ask the program alone to stop: it knows in which order to stop its children."""
        if self._popen is not None and self.running:
            self._popen.terminate()

    def finish(self, until: float) -> None:
        """Wait for the program to end, then kill what is left.

        :param until: when to stop waiting, on the monotonic clock
        """
        if self._popen is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(max(0.0, until - time.monotonic()))
        self.kill()

    def memory(self) -> int:
        """Bytes held by the session: the proportional set size where the system tells it, else the resident size."""
        return sum(_memory_of(process) for process in self.members())


def kill_all(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL processes in the order given and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # A dead grandchild nobody reaps stays as a zombie: gone enough.
    while any(_living(process.pid) == process for process in processes):
        time.sleep(0.01)


def _living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _memory_of(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
        return int(getattr(info, "pss", 0) or info.rss)
    except psutil.Error:
        return 0
