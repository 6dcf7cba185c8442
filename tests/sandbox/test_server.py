"""The sandbox as a whole: its life, its memory, many clients at once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from airflow_provider_grok.sandbox.__main__ import main
from airflow_provider_grok.sandbox.server import Sandbox

Connect = Callable[[Sandbox], httpx.Client]
LATER = {"prompt": "x", "model": "grok-imagine-image", "deferred": True, "storage_options": {"filename": "later.jpg"}}


def test_state_survives_a_restart(connect: Connect, tmp_path: Path, png: bytes) -> None:
    with Sandbox(data=tmp_path, seed=1) as first:
        client = connect(first)
        file_id = client.post("/files", files={"file": ("hero.png", png, "image/png")}).json()["id"]
        request_id = client.post("/images/generations", json=LATER).json()["request_id"]
        first.clock.rate = 0
        first.clock.advance(86_400)
        stopped_at, ticks, requests = first.clock.now(), first.ledger.total_ticks, len(first.journal)
    with Sandbox(data=tmp_path, seed=1) as second:
        client = connect(second)
        assert client.get(f"/files/{file_id}/content").content == png
        assert client.get(f"/images/{request_id}").json()["status"] == "done"
        assert {file["filename"] for file in client.get("/files").json()["data"]} == {"hero.png", "later.jpg"}
        assert (second.clock.now(), second.clock.rate) == (stopped_at, 0)
        assert (second.ledger.total_ticks, len(second.journal)) == (ticks, requests + 3)
        again = client.post("/files", files={"file": ("hero.png", png, "image/png")}).json()["id"]
        assert again != file_id, "the same seed does not give an id twice"


def test_a_temporary_folder_is_removed() -> None:
    with Sandbox() as sandbox:
        folder = sandbox.backend.store.folder
        assert folder.is_dir()
    assert not folder.exists()


def test_a_taken_port_is_an_error() -> None:
    with Sandbox() as sandbox:
        port = int(sandbox.url.split(":")[2].removesuffix("/v1"))
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=port).start()


def test_a_clock_rate_is_taken_from_the_start(connect: Connect) -> None:
    with Sandbox(clock_rate=1e6) as sandbox:
        client = connect(sandbox)
        request_id = client.post("/images/generations", json=LATER).json()["request_id"]
        assert client.get(f"/images/{request_id}").json()["status"] == "done"


def test_a_hundred_clients_poll_at_once(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.clock.rate = 0
    jobs = [client.post("/images/generations", json=LATER).json()["request_id"] for _ in range(10)]

    async def poll_all() -> list[str]:
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(
            base_url=sandbox.url, headers=headers, limits=limits, timeout=60, verify=False
        ) as many:
            answers = await asyncio.gather(*(many.get(f"/images/{jobs[number % 10]}") for number in range(100)))
        return [answer.json()["status"] for answer in answers]

    assert set(asyncio.run(poll_all())) == {"pending"}
    sandbox.clock.advance(1)
    assert set(asyncio.run(poll_all())) == {"done"}
    assert len(client.get("/files").json()["data"]) == len(sandbox.ledger.charges) == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_listens_and_ends_in_peace(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "airflow_provider_grok.sandbox", "--port", "0", "--data", str(tmp_path / "data")]
    options = ["--seed", "4", "--api-key", "xai-mine", "--strict", "--no-batch-storage", "--clock-rate", "2"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line.startswith("grok sandbox listening on http://127.0.0.1:")
        assert line.endswith("/v1")
        url = line.rpartition(" ")[2]
        answer = httpx.get(f"{url}/me", headers={"authorization": "Bearer xai-mine"})
        process.send_signal(number)
        connection = f'{{"conn_type": "grok", "host": "{url}", "password": "YOUR_API_KEY"}}'
        assert process.stdout.read().splitlines() == [
            f"Gallery:    {url.removesuffix('v1')}",
            f"Connection: export AIRFLOW_CONN_GROK_DEFAULT='{connection}'",
            "Ctrl-C stops it.",
        ]
    assert (answer.status_code, process.returncode) == (200, 0)


@pytest.mark.parametrize(
    ("port", "words"),
    [("taken", "is in use: stop what listens there, or give another --port"), ("70000", "70000 is none")],
)
def test_a_port_that_cannot_be_had_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str], sandbox: Sandbox, port: str, words: str
) -> None:
    number = sandbox.url.split(":")[2].removesuffix("/v1") if port == "taken" else port
    with pytest.raises(SystemExit, match="1"):
        main(["--port", number])
    assert words in capsys.readouterr().err
