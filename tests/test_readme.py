"""The README says what is so: its code runs, its tables hold the true operators, costs, flags and commands."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok import get_provider_info
from tests.dag_run import load
from tests.docs.chapters import PAGES, README, ROOT, blocks, chapter, commands, operators, section, table

PYTHON = blocks(README, "python")
DAGS = [code for code in PYTHON if "airflow.sdk import" in code]
TESTS = [code for code in PYTHON if "import pytest" in code]
MANUAL = "\n".join(PAGES.values())
CONTRIBUTING = PAGES[".github/CONTRIBUTING.md"]


@pytest.mark.parametrize("code", DAGS)
def test_dags_of_the_readme_are_dags(code: str, tmp_path: Path) -> None:
    file = tmp_path / "readme.py"
    file.write_text(code)
    assert load(file).tasks


def test_the_test_file_of_the_readme_passes_for_its_first_dag(tmp_path: Path) -> None:
    (code,) = TESTS
    for name, text in (("dags/hero.py", DAGS[0]), ("tests/test_hero.py", code)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={**bare, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("operator", operators(), ids=lambda one: str(one.__name__))
def test_every_operator_is_among_those_to_choose_from(operator: type) -> None:
    name = operator.__name__
    table_of = section(README, "Which operator do I need?").splitlines()
    rows = [line for line in table_of if f"operators.md#{name.lower()})" in line]
    assert len(rows) == 1
    home = rows[0].rstrip("| ").rpartition("`")[0].rpartition("`")[2]
    assert getattr(importlib.import_module(f"airflow_provider_grok.{home}"), name) is operator


def test_every_example_dag_is_named_with_its_cost() -> None:
    said = {name.split("]")[0].strip("["): cells[-1] for name, cells in table(section(README, "A DAG")).items()}
    examples = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "example_dags").glob("*.py")}
    assert said.keys() - {"example", "---"} == examples.keys()
    costs = {name: text.partition("Cost: ")[2].partition('"""')[0] for name, text in examples.items()}
    assert [name for name, text in costs.items() if said[name] not in text] == []


def test_commands_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'airflow-grok = "airflow_provider_grok.cli:main"' in project
    assert '$ uvx --from ".[sandbox]" airflow-grok demo' in commands(README)
    assert "`uv run pytest`" in CONTRIBUTING
    assert "$ uv run pytest" in commands(CONTRIBUTING)
    for tool in ("ruff", "mypy", "pytest"):
        assert re.search(rf'^ +"{tool}>=', project, re.MULTILINE), f"{tool} is no dependency for developers"
    for script in set(re.findall(r"bash (\S+?)`", CONTRIBUTING)):
        assert (ROOT / script).is_file()
    assert (ROOT / ".ci/run").is_file()


def test_requirements_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"apache-airflow>=3.3,<4"' in project
    assert "`apache-airflow>=3.3,<4`" in README
    assert 'requires-python = ">=3.10"' in project
    tested = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    assert f"Python {tested[0]} or\nnewer, tested on {tested[0]} to {tested[-1]}" in README


def test_flags_of_the_demo_and_the_sandbox_are_the_true_ones() -> None:
    from airflow_provider_grok import cli
    from airflow_provider_grok.sandbox.__main__ import arguments as of_sandbox

    subcommands: Any = cli.arguments()._subparsers
    choices = subcommands._group_actions[0].choices
    places = [
        (section(README, "Try it"), choices["demo"]),
        (section(chapter("sandbox"), "Start it"), of_sandbox()),
    ]
    for text, parser in places:
        true = {flag for action in parser._actions for flag in action.option_strings} - {"-h", "--help"}
        said = "\n".join(line for line in text.splitlines() if line.startswith("|"))
        assert set(re.findall(r"--[a-z-]+[a-z]", said)) == true


def test_every_subcommand_is_named() -> None:
    from airflow_provider_grok import cli

    subcommands: Any = cli.arguments()._subparsers
    assert [name for name in subcommands._group_actions[0].choices if f"airflow-grok {name}" not in MANUAL] == []


def test_connection_fields_are_the_true_ones() -> None:
    info: dict[str, Any] = get_provider_info()  # type: ignore[no-untyped-call]
    (kind,) = info["connection-types"]
    fields = kind["conn-fields"]
    rows = table(chapter("connection").partition("\n## ")[0])
    assert rows.keys() - {"field", "extra", "---", "Password", "Host"} == fields.keys()
    defaults = {name: str(one["schema"]["default"]) for name, one in fields.items() if "default" in one["schema"]}
    assert {name: rows[name][0] for name in defaults} == defaults
    (exported,) = (line for line in commands(README) if "AIRFLOW_CONN" in line and "extra" in line)
    connection = json.loads(exported.partition("=")[2].strip("'"))
    assert connection["conn_type"] == kind["connection-type"]
    assert connection["extra"].keys() <= fields.keys()


def test_the_readme_can_be_read_at_a_sitting() -> None:
    assert len(README.splitlines()) <= 320
