"""The demo's whole Airflow: API server with the UI, scheduler, DAG processor, triggerer; all gone at the end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from airflow_provider_grok.demo.airflow_home import AirflowHome

COMMANDS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
START_SECONDS = 180
GRACE = 20


class Components:
    """Four processes on one home, for the length of a `with` block.

    :param home: their Airflow home.
    :param folder: where their logs go.
    """

    def __init__(self, home: AirflowHome, folder: Path) -> None:
        self._home = home
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"http://127.0.0.1:{home.port}"

    def __enter__(self) -> Components:
        """Start them and wait until all of them are healthy."""
        try:
            # A task that begins before the API server answers fails at once.
            self._run("api-server")
            self._wait(self._answers)
            for name in COMMANDS.keys() - self._running.keys():
                self._run(name)
            self._wait(self._healthy)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop them, and whatever they started."""
        self._stop()

    def _run(self, name: str) -> None:
        with self._log(name).open("wb") as sink:
            self._running[name] = subprocess.Popen(  # noqa: S603 - Airflow's own command
                [sys.executable, "-m", "airflow", *COMMANDS[name]],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=self._home.ui_environment,
                cwd=self._home.folder,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait(self, ready: Callable[[httpx.Client], bool]) -> None:
        import httpx

        deadline = time.monotonic() + START_SECONDS
        # Loopback only: a proxy from the environment would be asked for 127.0.0.1 otherwise.
        with httpx.Client(trust_env=False, timeout=5) as client:
            while not ready(client):
                for name, process in self._running.items():
                    if process.poll() is not None:
                        raise OSError(f"Airflow's {name} ended with code {process.returncode}: see {self._log(name)}")
                if time.monotonic() > deadline:
                    raise OSError(f"Airflow was not up after {START_SECONDS} s: see the logs in {self._folder}")
                time.sleep(0.5)

    def _answers(self, client: httpx.Client) -> bool:
        import httpx

        try:
            return client.get(f"{self.url}/api/v2/version").status_code == 200
        except httpx.HTTPError:
            return False

    def _healthy(self, client: httpx.Client) -> bool:
        import httpx

        try:
            health = client.get(f"{self.url}/api/v2/monitor/health").json()
        except (httpx.HTTPError, ValueError):
            return False
        return all(
            health.get(name, {}).get("status") == "healthy" for name in ("scheduler", "dag_processor", "triggerer")
        )

    def _stop(self) -> None:
        import psutil  # type: ignore[import-untyped]

        family = []
        for process in self._running.values():
            if process.poll() is None:
                family += psutil.Process(process.pid).children(recursive=True)
                process.terminate()
        deadline = time.monotonic() + GRACE
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # Children of a component that was killed, or that did not look after them.
        for child in family:
            if child.is_running():
                child.kill()
