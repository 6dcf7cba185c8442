"""The command `airflow-grok`: the demo as people run it, how it fails, and that nothing of it is left running."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from airflow_provider_grok import cli
from airflow_provider_grok.cli import sandbox_extra
from airflow_provider_grok.demo import real
from airflow_provider_grok.sandbox.server import Sandbox

ROW = re.compile(r"^(upload|edit\[\d+\]|refine_\d) +(file_[0-9a-f-]{36}) +[\d.]+ +\$(0\.\d\d)  (-|http://\S+)$", re.M)
COMMAND = [sys.executable, "-m", "airflow_provider_grok.cli"]


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    output: str
    folder: Path

    def port(self) -> int:
        """The port its sandbox had."""
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", self.output)
        assert found, self.output
        return int(found[1])


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """As in a shell of somebody who has Airflow already, with a narrow window and temporary files in the folder."""
    mine = {
        name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW") and name != "XAI_API_KEY"
    }
    return mine | {"AIRFLOW_HOME": str(folder / "another"), "COLUMNS": "40", "TMPDIR": str(folder / "tmp")} | variables


def run(folder: Path, *words: str, **variables: str) -> Ended:
    """Run a command to its end."""
    (folder / "tmp").mkdir(exist_ok=True)
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, folder)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def related(folder: Path) -> list[str]:
    """Processes that work in or for a folder: all that a demo starts has it in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder / "tmp") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The demo, once for all tests that only look at what it left."""
    return run(tmp_path_factory.mktemp("demo"), "demo")


def test_the_demo_succeeds_and_shows_every_file_with_id_cost_and_link(demo: Ended) -> None:
    assert demo.code == 0, demo.output
    rows = ROW.findall(demo.output)
    assert [row[0] for row in rows] == [
        "upload",
        *(f"edit[{n}]" for n in range(12)),
        "refine_1",
        "refine_2",
        "refine_3",
    ]
    assert len({row[1] for row in rows}) == 16
    assert len({row[3] for row in rows[1:]}) == 15
    assert [row[2] for row in rows] == ["0.00", *["0.07"] * 15]
    assert re.search(r"^total +16 files +[\d.]+ +\$1\.05 +15 links$", demo.output, re.M)


def test_the_demo_tells_of_every_step_and_keeps_the_noise_of_airflow_in_a_file(demo: Ended) -> None:
    steps = re.findall(r"^ *[\d.]+ s  (\S+)", demo.output, re.M)
    assert {"Airflow", "DAG", "upload", "edit[11]", "refine_3", "share"} <= set(steps)
    assert "[info" not in demo.output
    assert "task_runner" in (demo.folder / "grok-demo" / "airflow.log").read_text()


def test_the_demo_proves_itself_by_journal_and_ledger(demo: Ended) -> None:
    proofs = re.findall(r"^  (yes|NO ) +(one upload|no picture bytes|one charge per edit)", demo.output, re.M)
    assert proofs == [("yes", "one upload"), ("yes", "no picture bytes"), ("yes", "one charge per edit")]


def test_the_demo_leaves_a_gallery_that_needs_no_server(demo: Ended) -> None:
    folder = demo.folder / "grok-demo"
    page = (folder / "index.html").read_text()
    pictures = re.findall(r'src="(media/[^"]+)"', page)
    assert len(set(pictures)) == 16
    assert all((folder / picture).stat().st_size > 1000 for picture in pictures)
    assert str(folder / "index.html") in demo.output


def test_the_demo_leaves_nothing_running_and_nothing_in_temporary_folders(demo: Ended) -> None:
    assert not is_open(demo.port())
    assert related(demo.folder) == []
    assert list((demo.folder / "tmp").iterdir()) == []
    assert not (demo.folder / "another").exists(), "the user's own AIRFLOW_HOME is left alone"


def test_a_demo_that_fails_names_task_reason_and_log_and_says_so_by_its_exit_code(tmp_path: Path) -> None:
    with (tmp_path / "vast.png").open("wb") as photo:
        photo.write(b"\x89PNG\r\n\x1a\n")
        photo.truncate(60_000_000)
    failed = run(tmp_path, "demo", "--photo", "vast.png", "--output", "out")
    assert failed.code == 1, failed.output
    assert re.search(r"^The demo failed\. Task upload failed: .*vast", failed.output, re.M)
    assert f"Airflow's log: {tmp_path}/out/airflow.log" in failed.output
    assert "total" not in failed.output
    assert (tmp_path / "out" / "airflow.log").stat().st_size > 0
    assert (tmp_path / "out" / "index.html").exists(), "what there is can be looked at"
    assert not is_open(failed.port())
    assert related(tmp_path) == []


def test_a_photo_that_is_no_picture_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    refused = run(tmp_path, "demo", "--photo", "empty.png", "--output", "out")
    assert (refused.code, refused.output) == (2, "--photo empty.png is no picture: give a PNG, JPEG or WebP file.\n")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def going(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that was started and goes on until a test ends it."""
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [*COMMAND, "demo"], cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def read_until(stream: IO[str] | None, text: str) -> str:
    assert stream
    seen = ""
    for line in stream:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came:\n{seen}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_takes_its_airflow_and_its_sandbox_with_it(
    going: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    seen = read_until(going.stdout, "Airflow 3")
    assert len(related(tmp_path)) == 2, "the command and its Airflow"
    going.send_signal(number)
    rest, _ = going.communicate(timeout=30)
    assert going.returncode == 130
    assert "Stopped; nothing is left running." in rest
    assert not is_open(Ended(130, seen, tmp_path).port())
    assert related(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_with_a_key_the_demo_shows_the_price_and_sends_nothing_without_a_yes(tmp_path: Path) -> None:
    with Sandbox(strict=True) as sandbox:
        refused = run(tmp_path, "demo", "--real", "--base-url", sandbox.url, XAI_API_KEY=sandbox.api_key)
        assert refused.code == 2
        assert "15 edits" in refused.output
        assert "$1.05" in refused.output
        assert "--yes" in refused.output
        assert sandbox.journal == []


def test_without_a_key_the_real_demo_says_where_it_looks_for_one(tmp_path: Path) -> None:
    refused = run(tmp_path, "demo", "--real", "--yes")
    assert refused.code == 2
    assert "XAI_API_KEY" in refused.output


def test_with_a_key_and_a_yes_the_demo_buys_what_it_estimated_and_fetches_the_pictures(tmp_path: Path) -> None:
    with Sandbox(strict=True, image_seconds=0.01, api_key="xai-nobody-may-see-this") as sandbox:
        words = ["demo", "--real", "--yes", "--base-url", sandbox.url]
        done = run(tmp_path, *words, XAI_API_KEY=sandbox.api_key)
        assert done.code == 0, done.output
        assert sandbox.ledger.total_ticks == real.estimate()
    assert len(ROW.findall(done.output)) == 16
    pictures = re.findall(r'src="(media/[^"]+)"', (tmp_path / "grok-demo" / "index.html").read_text())
    assert len(pictures) == 16
    assert all((tmp_path / "grok-demo" / picture).stat().st_size > 1000 for picture in pictures)
    everything = done.output + (tmp_path / "grok-demo" / "airflow.log").read_text()
    assert sandbox.api_key not in everything


def test_without_the_extra_the_way_to_get_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sandbox_extra, "find_spec", lambda name: None if name in ("av", "PIL") else object())
    for words in (["demo"], ["sandbox", "--port", "0"]):
        assert cli.main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "pillow, av" in line
        assert "pip install 'airflow-provider-grok[sandbox]'" in line


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["demo", "--yes"], "go with --real only"),
        (["demo", "--real", "--keep"], "has no sandbox"),
        (["demo", "--photo", "missing.png"], "there is no such file"),
        ([], "required: command"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert reason in capsys.readouterr().err


def test_the_sandbox_runs_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    words = [*COMMAND, "sandbox", "--port", "0", "--api-key", "xai-mine"]
    with subprocess.Popen(words, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as process:
        url = read_until(process.stdout, "listening on").split()[-1]
        answer = httpx.get(f"{url}/api-key", headers={"authorization": "Bearer xai-mine"}, trust_env=False)
        assert answer.status_code == 200
        process.terminate()
    assert process.returncode == 0


def test_the_command_line_is_read_without_loading_airflow_or_the_sandbox() -> None:
    code = "import sys; from airflow_provider_grok import cli; cli.arguments(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"airflow", "starlette", "httpx", "pydantic", "PIL"} & set(done.stdout.split())
