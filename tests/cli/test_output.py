"""What commands print: whole and plain where no terminal is, folded and never cut where one is."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_grok.cli import action, output

LONG = "file_" + "0123456789" * 12


def test_outside_a_terminal_nothing_is_cut_wrapped_or_coloured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    output.print_table({"ID": "left", "N": "right"}, [(LONG, 1), ("[bold]x[/bold]\x1b[31m", 22)])
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["ID", "N"]
    assert first.split() == [LONG, "1"]
    assert second.startswith("[bold]x[/bold] [31m")
    assert "\x1b" not in heading + first + second


def test_on_a_narrow_terminal_a_table_is_folded_and_nothing_is_lost() -> None:
    code = f"from airflow_provider_grok.cli import output; output.print_table({{'ID': 'left'}}, [({LONG!r},)])"
    master, slave = pty.openpty()
    environment = os.environ | {"COLUMNS": "40", "TERM": "xterm-256color"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=slave, env=environment) as process:
        os.close(slave)
        text = b""
        try:
            while chunk := os.read(master, 4096):
                text += chunk
        except OSError:
            pass  # Linux ends a terminal whose other side is closed with an error.
    os.close(master)
    assert process.returncode == 0
    assert LONG in text.decode().replace("\r\n", "")
    assert "\x1b[1m" in text.decode()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False)])
def test_a_person_is_asked_and_only_a_yes_is_one(
    monkeypatch: pytest.MonkeyPatch, answer: str, agreed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    from argparse import Namespace

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert action.agreed("Delete 3 files?", Namespace(yes=False)) is agreed
    assert "Delete 3 files? [y/N]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("at", "text"), [(None, ""), (0, ""), (1_800_000_000, "2027-01-15 08:00"), (1e300, "?"), (float("nan"), "?")]
)
def test_a_moment_is_given_to_the_minute(at: float | None, text: str) -> None:
    assert output.moment(at) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (48_000_000, "48.0 MB"), (5e12, "5000.0 GB")]
)
def test_a_size_has_a_unit(count: int, text: str) -> None:
    assert output.size(count) == text


def test_a_reader_that_has_seen_enough_is_no_traceback(tmp_path: Path) -> None:
    code = (
        "import sys; from airflow_provider_grok.cli import parser, check; from dataclasses import replace\n"
        "def run(options):\n    [print('x' * 1000) for _ in range(1000)]\n    return 0\n"
        "parser.COMMANDS = (replace(check.COMMAND, run=run),)\n"
        "sys.exit(parser.main(['check']))"
    )
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" 2>{tmp_path / "err"} | head -1', sys.executable, code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "x" * 1000 + "\n"
    assert (tmp_path / "err").read_text() == ""
