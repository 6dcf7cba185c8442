"""The manual's chapter on the sandbox says what is true: flags, defaults, control paths, faults, first lines."""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path

from airflow_provider_grok.sandbox import __main__, faults
from airflow_provider_grok.sandbox.body_limits import BODY_SECONDS, LARGEST_BODY
from airflow_provider_grok.sandbox.control import Control
from airflow_provider_grok.sandbox.fault_refusals import REFUSALS
from airflow_provider_grok.sandbox.server import Sandbox

CHAPTER = Path(__file__).parents[2] / "airflow_provider_grok" / "docs" / "sandbox.md"
TEXT = CHAPTER.read_text(encoding="utf-8")


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in section(heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_flags_and_their_defaults_are_the_true_ones() -> None:
    parser = __main__.arguments()
    true = {
        flag: action for action in parser._actions for flag in action.option_strings if flag not in ("-h", "--help")
    }
    said: dict[str, str] = {}
    for flags, defaults, _ in rows("Start it"):
        names = re.findall(r"--[a-z-]+", flags)
        values = [value.strip("` ") for value in defaults.split(",")]
        said.update(zip(names, values, strict=len(names) > 1))
    assert said.keys() == true.keys()
    for flag, text in said.items():
        default = true[flag].default
        if isinstance(default, str | int | float) and not isinstance(default, bool):
            assert text == f"{default}".removesuffix(".0"), flag


def test_the_first_lines_are_those_that_are_printed() -> None:
    assert __main__.ready_text("http://127.0.0.1:8642/v1", "xai-sandbox") in TEXT


def test_control_paths_are_the_true_ones(sandbox: Sandbox) -> None:
    paths = {route.path.removeprefix("/_sandbox/") for route in Control(sandbox.backend).routes()}
    said = {
        path for cells in rows("Control interface") for path in re.findall(r"(?:GET|POST|DELETE) ([a-z.]+)", cells[0])
    }
    assert said == {path for path in paths if not path.startswith(("/", "media/"))}


def test_every_fault_is_told_and_no_other() -> None:
    said = set(re.findall(r'"(\w+)":', "\n".join(cells[0] for cells in rows("Faults"))))
    said |= {name for name in faults.ACTIONS if f"`{name}`" in section("Faults") or f'"{name}"' in section("Faults")}
    assert said - {"Retry-After"} == set(faults.ACTIONS)
    (refused,) = (cells[1] for cells in rows("Faults") if "refuse" in cells[0])
    assert set(re.findall(r"`([a-z0-9-]+)`", refused)) - {"personal-team-blocked"} == set(REFUSALS)


def test_its_pictures_are_there_and_small() -> None:
    (picture,) = re.findall(r"!\[.+?\]\((.+?)\)", TEXT)
    assert 10_000 < (CHAPTER.parent / picture).stat().st_size < 200_000


def test_settings_and_limits_are_the_true_ones() -> None:
    assert "results_grace" in signature(Sandbox).parameters and "`results_grace`" in TEXT
    assert (LARGEST_BODY, BODY_SECONDS) == (64 * 2**20, 60)
    assert "at most 64 MiB and one minute" in TEXT
