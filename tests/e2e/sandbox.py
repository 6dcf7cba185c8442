"""The sandbox of the xAI API as a process of its own, and its control page: what a live test needs to judge a run."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from .process import Process
from .rest import until

KEY = "xai-sandbox"
_READY = re.compile(r"grok sandbox listening on (http://[\d.]+:(\d+)/v1)")


class SandboxProcess:
    """`python -m airflow_provider_grok.sandbox --strict`, started on a free port and stopped at the end.

    :param folder: where it keeps its data and its log
    :param options: more command line options, e.g. `"--image-seconds", "2"`
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._port = "0"
        self.log = folder / "sandbox.log"
        self.url = ""

    def __enter__(self) -> SandboxProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()
        self._process.stop(grace=5)

    @property
    def connection(self) -> str:
        """The Airflow connection to it, as JSON for `AIRFLOW_CONN_*`."""
        return f'{{"conn_type": "grok", "host": "{self.url}", "password": "{KEY}"}}'

    def start(self) -> None:
        """Start it, a second time at the same port and with the same data.

        :raises RuntimeError: it did not print its ready line
        """
        command = [sys.executable, "-m", "airflow_provider_grok.sandbox", "--port", self._port, "--api-key", KEY]
        command += ["--data", str(self._folder / "data"), "--strict", *self._options]
        self.log.unlink(missing_ok=True)
        self._process = Process(command, log=self.log, environment=dict(os.environ), cwd=self._folder)
        self._process.start()
        self.url, self._port = self._await_ready(time.monotonic() + 60)
        # Loopback only: a proxy from the environment would be asked for 127.0.0.1 otherwise.
        self._http = httpx.Client(base_url=f"{self.url.removesuffix('/v1')}/_sandbox", timeout=30, trust_env=False)

    def kill(self) -> None:
        """SIGKILL: the API is gone until `start`."""
        self._process.kill()

    def requests(self, method: str | None = None, path: str = "") -> list[dict[str, Any]]:
        """The journal, in order.

        :param method: only these
        :param path: only paths that match this regular expression in full; "" = all
        """
        journal = self._get("journal")["requests"]
        wanted = (entry for entry in journal if method in (None, entry["method"]))
        return [entry for entry in wanted if not path or re.fullmatch(path, entry["path"])]

    def wait_for_request(self, method: str, path: str, *, count: int = 1, timeout: float = 60) -> list[dict[str, Any]]:
        """Wait until so many requests were answered, and return them.

        :param path: regular expression for the whole path
        :param timeout: seconds
        :raises TimeoutError: they were not
        """

        def enough() -> list[dict[str, Any]] | None:
            found = self.requests(method, path)
            return found if len(found) >= count else None

        return until(enough, timeout, lambda: f"{method} {path} was not answered {count} times")

    def charges(self) -> list[dict[str, Any]]:
        """The ledger: one row for everything that was billed."""
        return list(self._get("ledger")["charges"])

    def fault(self, method: str, path: str, action: dict[str, Any], *, skip: int = 0, times: int | None = 1) -> None:
        """Plant a fault.

        :param path: glob of paths, e.g. `/v1/images/*`
        :param action: what goes wrong, e.g. `{"drop": "after"}`
        :param skip: how many matching requests pass first
        :param times: how many are hit after that; None = all
        """
        body = {"method": method, "path": path, "skip": skip, "times": times, "action": action}
        self._http.post("/faults", json=body).raise_for_status()

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        self._http.post("/clock", json={"advance": seconds}).raise_for_status()

    def run_clock(self, rate: float) -> None:
        """Let the sandbox's time run faster or slower; 0 stops it, and nothing there ends any more."""
        self._http.post("/clock", json={"rate": rate}).raise_for_status()

    def reset(self) -> None:
        """Empty it: files, jobs, journal, ledger, faults."""
        self._http.post("/reset").raise_for_status()

    def _get(self, page: str) -> dict[str, Any]:
        return dict(self._http.get(f"/{page}").raise_for_status().json())

    def _await_ready(self, deadline: float) -> tuple[str, str]:
        while not (ready := _READY.search(self.log.read_text())):
            if not self._process.running or time.monotonic() > deadline:
                raise RuntimeError(f"the sandbox did not start:\n{self.log.read_text()}")
            time.sleep(0.05)
        return ready[1], ready[2]
