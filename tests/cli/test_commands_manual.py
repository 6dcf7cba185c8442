"""The manual's chapter on commands: it names every command and action, and its command lines are read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import airflow_provider_grok
from airflow_provider_grok.cli import arguments
from airflow_provider_grok.cli.parser import COMMANDS, with_list

CHAPTER = (Path(airflow_provider_grok.__file__).parent / "docs/commands.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\$ airflow-grok (.*?)(?: > .*)?$", CHAPTER, re.MULTILINE)


def test_every_command_and_action_stands_in_the_table() -> None:
    rows = [line for line in CHAPTER.splitlines() if line.startswith("| `airflow-grok ")]
    names = [re.findall(r"airflow-grok (\w+)", row)[0] for row in rows]
    assert names == [command.name for command in COMMANDS]
    for row, command in zip(rows, COMMANDS, strict=True):
        cell = row.split("|")[1]
        assert [action.name for action in command.actions if not re.search(rf"\b{action.name}\b", cell)] == []


@pytest.mark.parametrize("line", LINES)
def test_its_command_lines_are_read(line: str) -> None:
    assert len(LINES) > 8
    assert arguments().parse_args(with_list(shlex.split(line))).run
