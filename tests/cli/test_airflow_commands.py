"""The commands as `airflow grok ...`: the same ones, with the same arguments, in a real Airflow process."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import pytest

from airflow_provider_grok.cli.airflow_commands import grok_commands
from airflow_provider_grok.cli.command import Command
from airflow_provider_grok.cli.parser import AT_WORK, COMMANDS
from tests.dag_run import RunDag


def airflow(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `airflow` in a process of its own, which does not know yet that it may read connections."""
    bare = {name: value for name, value in os.environ.items() if name != "_AIRFLOW_PROCESS_CONTEXT"}
    return subprocess.run(
        [sys.executable, "-m", "airflow", *words], capture_output=True, text=True, env=bare, check=False
    )


def test_airflow_offers_the_commands_that_work_with_it() -> None:
    (group,) = grok_commands()
    assert group.name == "grok"
    assert [one.name for one in group.subcommands] == [one.name for one in AT_WORK]  # type: ignore[union-attr]


@pytest.mark.usefixtures("airflow_database")
def test_a_connection_of_the_database_is_checked_and_files_are_listed(run_dag: RunDag) -> None:
    sandbox = run_dag.sandbox
    connection = {"conn_type": "grok", "host": sandbox.url, "password": sandbox.api_key}
    added = airflow("connections", "add", "grok_kept", "--conn-json", json.dumps(connection))
    assert added.returncode == 0, added.stderr
    try:
        checked = airflow("grok", "check", "grok_kept")
        assert checked.returncode == 0, checked.stderr
        assert "grok_kept: Connected with key" in checked.stdout
        listed = airflow("grok", "files", "list", "--conn-id", "grok_kept", "--json")
        assert (listed.returncode, listed.stdout) == (0, ""), listed.stderr
        refused = airflow("grok", "files", "delete", "--conn-id", "grok_kept")
        assert refused.returncode == 2
        helped = airflow("grok", "links", "revoke", "--help")
        assert "airflow grok links revoke file_1234" in helped.stdout
    finally:
        airflow("connections", "delete", "grok_kept")


def leaves(commands: tuple[Command, ...]) -> list[Command]:
    return [one for command in commands for one in (command.actions or (command,))]


@pytest.mark.parametrize("command", leaves(COMMANDS[:-1]), ids=lambda one: str(one.name))
def test_every_command_has_examples_that_its_parser_takes(command: Command) -> None:
    from airflow_provider_grok.cli import arguments

    assert command.examples
    for line in command.examples:
        import shlex

        options = arguments().parse_args(shlex.split(line))
        assert options.run is command.run
        assert isinstance(options, argparse.Namespace)
