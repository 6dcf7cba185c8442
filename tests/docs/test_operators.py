"""The chapter on operators names each argument with its default, each method of the hook, and what is true of both."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators import make
from tests.dag_run import load
from tests.docs.chapters import MAKE, ROOT, arguments, blocks, chapter, operators, section, table

TEXT = chapter("operators")
DAGS = [
    code for name in ("operators", "review") for code in blocks(chapter(name), "python") if "airflow.sdk import" in code
]


def spelled(parameter: inspect.Parameter) -> str:
    """A default as the manual spells it."""
    if parameter.default is parameter.empty:
        return "required"
    text = repr(parameter.default).replace("'", '"')
    if text.startswith("datetime.timedelta"):
        units = {"days": 86400, "hours": 3600, "minutes": 60}
        seconds = parameter.default.total_seconds()
        unit = next(unit for unit, size in units.items() if seconds % size == 0)
        text = f"timedelta({unit}={seconds / units[unit]:.0f})"
    return f"`{text}`"


@pytest.mark.parametrize("code", DAGS)
def test_dags_of_the_chapters_are_dags(code: str, tmp_path: Path) -> None:
    file = tmp_path / "chapter.py"
    file.write_text(code)
    assert load(file).tasks


@pytest.mark.parametrize("operator", operators(), ids=lambda one: str(one.__name__))
def test_all_arguments_but_deferrable_may_hold_templates(operator: Any) -> None:
    assert "All but `deferrable` may hold templates" in TEXT
    assert set(operator.template_fields) == {parameter.name for _, parameter in arguments(operator)} - {"deferrable"}


@pytest.mark.parametrize("operator", operators(), ids=lambda one: str(one.__name__))
def test_every_argument_stands_in_the_manual_with_its_default(operator: type) -> None:
    own = table(section(TEXT, operator.__name__))
    shared = table(section(TEXT, MAKE))
    everywhere = table(section(TEXT, "Operators, one by one").partition("\n### ")[0])
    stands = {
        parameter.name: (own if parameter.name in own else shared if one is make.GrokMakeOperator else everywhere)
        for one, parameter in arguments(operator)
    }
    said = {name: rows[name][0] if name in rows else "missing" for name, rows in stands.items()}
    assert said == {parameter.name: spelled(parameter) for _, parameter in arguments(operator)}
    assert own.keys() - {"argument", "---"} <= said.keys(), "The manual names an argument that is none."


def test_shared_arguments_are_no_more_than_the_true_ones() -> None:
    true = {parameter.name for _, parameter in arguments(make.GrokMakeOperator)} - {"grok_conn_id"}
    said = table(section(TEXT, MAKE).partition("What is in XCom afterwards:")[0])
    assert said.keys() - {"argument", "---"} == true


def test_the_receipt_has_the_fields_that_the_chapter_shows() -> None:
    import json

    from airflow_provider_grok.operators.base import receipt

    (shown,) = [json.loads(code) for code in blocks(section(TEXT, MAKE), "json")]
    # The connection is added where the receipt is pushed.
    assert shown.keys() == receipt().keys() | {"grok_conn_id"}
    assert shown["billed"].keys() == receipt()["billed"].keys()
    assert shown["usage"].keys() == receipt()["usage"].keys()


def test_methods_of_the_hook_are_the_true_ones() -> None:
    text = section(TEXT, "The hook in a `@task`")
    named = set(re.findall(r"`(?:await )?(\w+)\(", "\n".join(line for line in text.splitlines() if line[:1] == "|")))
    own = {name for one in GrokHook.__mro__[:2] for name, value in vars(one).items() if inspect.isfunction(value)}
    public = {name for name in own if not name.startswith("_")}
    # Three methods are for the package itself.
    assert named == public - {"aendpoint", "get_conn", "purchase"}


def test_extras_of_the_installation_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(r"`(\w+)`", re.findall(r"install the extra (.+?),", TEXT)[0])
    assert extras
    assert [name for name in extras if f"\n{name} = [" not in project] == []


def _polls(share: float, shortest: float, longest: float) -> int:
    """How often somebody polls in a day whose pause is a share of the age."""
    age, polls = 0.0, 0
    while age < 24 * 3600:
        age += min(max(age * share, shortest), longest)
        polls += 1
    return polls


def test_a_day_of_waiting_costs_what_the_chapter_says() -> None:
    from airflow_provider_grok.api.kinds import KINDS
    from airflow_provider_grok.flows.batches import persist as persisting

    facts = KINDS["batch"]
    assert round(_polls(0.05, facts.shortest_interval, facts.longest_interval), -2) == 1500
    assert "about 1,500 small requests" in TEXT
    assert round(_polls(persisting.SHARE, persisting.SHORTEST, persisting.LONGEST), -2) == 200
    assert "about 200 times a day" in TEXT
