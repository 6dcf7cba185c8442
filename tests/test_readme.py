"""The README says what is so: its code runs, its tables hold the true arguments, defaults, prices and messages."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_provider_grok import get_provider_info
from airflow_provider_grok.api import prices
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators import batches, files, images, make, videos
from airflow_provider_grok.sensors import batches as batch_sensors
from airflow_provider_grok.sensors import files as file_sensors
from tests.dag_run import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
DAGS = [code for code in PYTHON if "airflow.sdk import" in code]
TESTS = [code for code in PYTHON if "import pytest" in code]
COMMANDS = [line for language, code in BLOCKS if language == "console" for line in code.splitlines()]
#: Classes that are bases of ours, and whose arguments stand with each of those.
BASES = ("GrokOperator", "GrokFileOperator")
MAKE = "GrokMakeOperator"


def section(heading: str) -> str:
    """The text under a heading, up to the next one of its rank.

    :param heading: its words, with or without backticks.
    """
    found = re.search(rf"^(#+) `?{re.escape(heading)}`?$\n(.*?)(?=^\1 |^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"The README has no heading {heading!r}."
    return found.group(2)


def table(text: str) -> dict[str, list[str]]:
    """All rows of tables in a text, by the bare text of their first cell.

    :param text: Markdown.
    """
    rows = (re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.splitlines() if line.startswith("|"))
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in rows}


def operators() -> list[type]:
    """Every operator and sensor of ours that people use."""
    modules = (files, images, videos, batches, batch_sensors, file_sensors)
    found = [one for module in modules for one in vars(module).values() if inspect.isclass(one)]
    ours = {one.__name__: one for one in found if issubclass(one, BaseOperator) and one.__name__.startswith("Grok")}
    return [one for name, one in sorted(ours.items()) if name not in (*BASES, MAKE)]


def arguments(operator: type) -> Iterator[tuple[type, inspect.Parameter]]:
    """The arguments that our own constructors name, nearest first, with the class that names them."""
    seen = {"self"}
    for one in operator.__mro__:
        if not one.__module__.startswith("airflow_provider_grok") or "__init__" not in vars(one):
            continue
        # Airflow's metaclass wraps constructors, and keeps the signature.
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items():
            if name not in seen and parameter.kind is parameter.KEYWORD_ONLY:
                seen.add(name)
                yield one, parameter


def spelled(parameter: inspect.Parameter) -> str:
    """A default as the README spells it."""
    if parameter.default is parameter.empty:
        return "required"
    text = repr(parameter.default).replace("'", '"')
    if text.startswith("datetime.timedelta"):
        units = {"days": 86400, "hours": 3600, "minutes": 60}
        seconds = parameter.default.total_seconds()
        unit = next(unit for unit, size in units.items() if seconds % size == 0)
        text = f"timedelta({unit}={seconds / units[unit]:.0f})"
    return f"`{text}`"


def written(source: Path) -> str:
    """Every text constant of a module, one a line, as people read it."""
    texts = (node.value for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Constant))
    return "\n".join(text for text in texts if isinstance(text, str))


@pytest.mark.parametrize("code", PYTHON)
def test_python_of_the_readme_parses(code: str) -> None:
    compile(code, "README.md", "exec")


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
def test_all_arguments_but_deferrable_may_hold_templates(operator: Any) -> None:
    assert "All but `deferrable` may hold templates" in README
    assert set(operator.template_fields) == {parameter.name for _, parameter in arguments(operator)} - {"deferrable"}


@pytest.mark.parametrize("operator", operators(), ids=lambda one: str(one.__name__))
def test_every_argument_stands_in_the_readme_with_its_default(operator: type) -> None:
    own = table(section(operator.__name__))
    shared = table(section(MAKE))
    everywhere = table(section("Operators, one by one").partition("\n### ")[0])
    stands = {
        parameter.name: (own if parameter.name in own else shared if one is make.GrokMakeOperator else everywhere)
        for one, parameter in arguments(operator)
    }
    said = {name: rows[name][0] if name in rows else "missing" for name, rows in stands.items()}
    assert said == {parameter.name: spelled(parameter) for _, parameter in arguments(operator)}
    assert own.keys() - {"argument", "---"} <= said.keys(), "The README names an argument that is none."


@pytest.mark.parametrize("operator", operators(), ids=lambda one: str(one.__name__))
def test_every_operator_is_among_those_to_choose_from(operator: type) -> None:
    name = operator.__name__
    rows = [line for line in section("Which operator do I need?").splitlines() if f"(#{name.lower()})" in line]
    assert len(rows) == 1
    home = rows[0].rstrip("| ").rpartition("`")[0].rpartition("`")[2]
    assert getattr(importlib.import_module(f"airflow_provider_grok.{home}"), name) is operator


def test_shared_arguments_are_no_more_than_the_true_ones() -> None:
    true = {parameter.name for _, parameter in arguments(make.GrokMakeOperator)} - {"grok_conn_id"}
    said = table(section(MAKE).partition("What is in XCom afterwards:")[0])
    assert said.keys() - {"argument", "---"} == true


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_link_within_the_repository_leads_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", README) if "://" not in target]
    anchors = {f"#{_anchor(heading)}" for heading in re.findall(r"^#+ (.+)$", README, re.MULTILINE)}
    assert targets
    assert [one for one in targets if one.startswith("#") and one not in anchors] == []
    assert [one for one in targets if not one.startswith("#") and not (ROOT / one).exists()] == []


def test_every_example_dag_is_named_with_its_cost() -> None:
    said = {name.split("]")[0].strip("["): cells[-1] for name, cells in table(section("A DAG")).items()}
    examples = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "example_dags").glob("*.py")}
    assert said.keys() - {"example", "---"} == examples.keys()
    costs = {name: text.partition("Cost: ")[2].partition('"""')[0] for name, text in examples.items()}
    assert [name for name, text in costs.items() if said[name] not in text] == []


def test_commands_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'airflow-grok = "airflow_provider_grok.cli:main"' in project
    assert '$ uvx --from ".[sandbox]" airflow-grok demo' in COMMANDS
    assert "`uv run pytest`" in README and "$ uv run pytest" in COMMANDS
    for tool in ("ruff", "mypy", "pytest"):
        assert re.search(rf'^ +"{tool}>=', project, re.MULTILINE), f"{tool} is no dependency for developers"
    assert (ROOT / ".ci/run").is_file()
    extras = re.findall(r"`(\w+)`", re.findall(r"install the extra (.+?),", README)[0])
    assert [name for name in extras if f"\n{name} = [" not in project] == []


def test_requirements_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"apache-airflow>=3.3,<4"' in project and "`apache-airflow>=3.3,<4`" in README
    assert 'requires-python = ">=3.10"' in project and "Python 3.10 or\nnewer, tested on 3.11" in README


def test_flags_of_all_commands_are_the_true_ones() -> None:
    from airflow_provider_grok import cli
    from airflow_provider_grok.sandbox.__main__ import arguments as of_sandbox

    commands: Any = cli.arguments()._subparsers
    choices = commands._group_actions[0].choices
    places = {
        "Try it": choices["demo"],
        "What was left behind: `airflow-grok orphans`": choices["orphans"],
        "The sandbox: the API without a key": of_sandbox(),
    }
    for heading, parser in places.items():
        true = {flag for action in parser._actions for flag in action.option_strings} - {"-h", "--help"}
        said = "\n".join(line for line in section(heading).splitlines() if line.startswith("|"))
        assert set(re.findall(r"--[a-z-]+[a-z]", said)) == true


def test_every_subcommand_is_named() -> None:
    from airflow_provider_grok import cli

    commands: Any = cli.arguments()._subparsers
    assert [name for name in commands._group_actions[0].choices if f"airflow-grok {name}" not in README] == []


def test_connection_fields_are_the_true_ones() -> None:
    info: dict[str, Any] = get_provider_info()  # type: ignore[no-untyped-call]
    (kind,) = info["connection-types"]
    fields = kind["conn-fields"]
    rows = table(section("Connection"))
    assert rows.keys() - {"field", "extra", "---", "Password", "Host"} == fields.keys()
    defaults = {name: str(one["schema"]["default"]) for name, one in fields.items() if "default" in one["schema"]}
    assert {name: rows[name][0] for name in defaults} == defaults
    (exported,) = (line for line in COMMANDS if "AIRFLOW_CONN" in line and "extra" in line)
    connection = json.loads(exported.partition("=")[2].strip("'"))
    assert connection["conn_type"] == kind["connection-type"]
    assert connection["extra"].keys() <= fields.keys()


def _amounts(text: str) -> list[int]:
    return [round(float(amount) * prices.TICKS_PER_USD) for amount in re.findall(r"\$(\d+\.\d+)", text)]


def test_prices_are_those_of_the_package() -> None:
    text = section("Prices")
    assert f"As read on {prices.PRICED_ON}" in text
    rows = table(text)
    per_image = {model: list(prices.values()) for model, prices in prices.IMAGE_PRICES.items()}
    per_image["grok-imagine-image"] = per_image["grok-imagine-image"][:1]
    per_second = {model: list(prices.values()) for model, prices in prices.VIDEO_PRICES.items()}
    assert {model: _amounts(rows[model][0]) for model in per_image | per_second} == per_image | per_second
    sources = {model: _amounts(rows[model][1])[:1] for model in prices.SOURCE_PRICES}
    assert sources == {model: [price] if price else [] for model, price in prices.SOURCE_PRICES.items()}
    eight = {model: [price * 8 for price in prices] for model, prices in per_second.items()}
    said = section("Video").partition("| 8 seconds of")[2]
    assert {model: _amounts("|".join(cells)) for model, cells in table(said).items() if model in eight} == eight


def test_every_error_message_is_one_of_ours() -> None:
    ours = "\n".join(written(file) for file in (ROOT / "airflow_provider_grok").rglob("*.py"))
    fragments = table(section("Errors by message")).keys() - {"message contains", "---"}
    assert len(fragments) > 20
    assert [one for one in fragments if one not in ours] == []


def test_methods_of_the_hook_are_the_true_ones() -> None:
    text = section("The hook in a `@task`")
    named = set(re.findall(r"`(?:await )?(\w+)\(", "\n".join(line for line in text.splitlines() if line[:1] == "|")))
    own = {name for one in GrokHook.__mro__[:2] for name, value in vars(one).items() if inspect.isfunction(value)}
    public = {name for name in own if not name.startswith("_")}
    # Three methods are for the package itself.
    assert named == public - {"aendpoint", "get_conn", "purchase"}


def _looks(share: float, shortest: float, longest: float) -> int:
    """How often somebody looks in a day whose pause is a share of the age."""
    age, looks = 0.0, 0
    while age < 24 * 3600:
        age += min(max(age * share, shortest), longest)
        looks += 1
    return looks


def test_a_day_of_waiting_costs_what_the_readme_says() -> None:
    from airflow_provider_grok.api.kinds import KINDS
    from airflow_provider_grok.flows.batches import persist as persisting

    facts = KINDS["batch"]
    assert round(_looks(0.05, facts.shortest_interval, facts.longest_interval), -2) == 1500
    assert "about 1,500 small requests" in README
    assert round(_looks(persisting.SHARE, persisting.SHORTEST, persisting.LONGEST), -2) == 200
    assert "about 200 times a day" in README
