"""`airflow-grok demo --ui` as somebody finds it: who gets in, what is there to see, and that all of it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

COMMAND = [sys.executable, "-m", "airflow_provider_grok.cli", "demo", "--ui"]


class Demo:
    """A running demo.

    :param said: what it printed until it was ready.
    """

    def __init__(self, said: str) -> None:
        self.said = said
        found = re.search(r"^Airflow:  (\S+)  user (\S+), password (\S+)$", said, re.MULTILINE)
        gallery = re.search(r"^Gallery:  (http\S+)$", said, re.MULTILINE)
        assert found and gallery, said
        self.url, self.user, self.password = found.groups()
        self.gallery = gallery[1]
        self.http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def log_in(self, password: str) -> httpx.Response:
        return self.http.post("/auth/token", json={"username": self.user, "password": password})

    def get(self, path: str) -> Any:
        token = self.log_in(self.password).json()["access_token"]
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        return self.http.get(f"/api/v2{path}", headers=headers).raise_for_status().json()


def read_until(stream: IO[str] | None, text: str) -> str:
    assert stream
    seen = ""
    for line in stream:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came:\n{seen}")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "tmp").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {"TMPDIR": str(folder / "tmp")}
    started = subprocess.Popen(COMMAND, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    yield started
    started.kill()
    started.communicate()


@pytest.fixture(scope="module")
def demo(process: subprocess.Popen[str]) -> Demo:
    return Demo(read_until(process.stdout, "Ctrl-C ends all of it"))


def test_nobody_gets_in_without_the_password_or_under_a_foreign_name(demo: Demo) -> None:
    assert demo.http.get("/auth/token").status_code == 403
    assert demo.http.get("/api/v2/dags").status_code == 401
    assert demo.log_in("wrong").status_code == 401
    assert demo.http.get("/", headers={"host": "evil.example"}).status_code == 400
    assert httpx.get(demo.gallery, headers={"host": "evil.example"}, trust_env=False).status_code == 403
    assert demo.log_in(demo.password).status_code == 201


def test_the_key_of_its_sandbox_is_its_own(demo: Demo) -> None:
    answer = httpx.get(f"{demo.gallery}v1/me", headers={"authorization": "Bearer xai-sandbox"}, trust_env=False)
    assert answer.status_code == 400


def test_the_connection_is_where_airflow_shows_connections(demo: Demo) -> None:
    (connection,) = demo.get("/connections")["connections"]
    assert (connection["connection_id"], connection["conn_type"]) == ("grok_default", "grok")
    assert connection["host"] == f"{demo.gallery}v1"


def test_all_examples_are_there_unpaused_and_told_of(demo: Demo) -> None:
    dags = {dag["dag_id"]: dag["is_paused"] for dag in demo.get("/dags")["dags"]}
    examples = {file.stem for file in (Path(__file__).parents[2] / "example_dags").glob("*.py")}
    assert dags == dict.fromkeys(examples, False)
    assert [name for name in examples if not re.search(rf"^  {name} +\w", demo.said, re.MULTILINE)] == []
    assert demo.get("/importErrors")["total_entries"] == 0


def test_the_run_of_the_demo_has_its_logs(demo: Demo) -> None:
    (run,) = demo.get("/dags/product_shots/dagRuns")["dag_runs"]
    log = demo.get(f"/dags/product_shots/dagRuns/{run['dag_run_id']}/taskInstances/edit/logs/1?map_index=3")
    assert any("product_shots.edit." in str(entry.get("event")) for entry in log["content"])


def test_what_runs_by_its_schedule_succeeds(demo: Demo) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs = {run["dag_id"]: run["state"] for run in demo.get("/dags/~/dagRuns")["dag_runs"]}
        if not {"queued", "running"} & set(runs.values()):
            break
        time.sleep(1)
    assert set(runs.values()) == {"success"}, runs


def test_ctrl_c_ends_all_of_it(demo: Demo, process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, "Stopping" in rest) == (0, True)
    for url in (demo.url, demo.gallery):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)
