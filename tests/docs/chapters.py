"""The manual as tests read it: the README and the chapters beside the code, their sections, tables and code."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from airflow.sdk import BaseOperator

import airflow_provider_grok
from airflow_provider_grok.operators import batches, files, images, videos
from airflow_provider_grok.sensors import batches as batch_sensors
from airflow_provider_grok.sensors import files as file_sensors

PACKAGE = Path(airflow_provider_grok.__file__).parent
ROOT = PACKAGE.parent
#: All pages, by their path in the repository.
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8")
    for page in [ROOT / "README.md", *sorted((PACKAGE / "docs").glob("*.md")), *sorted((ROOT / ".github").glob("*.md"))]
}
README = PAGES["README.md"]
#: Classes that are bases of ours, and whose arguments stand with each of those.
BASES = ("GrokOperator", "GrokFileOperator")
#: The base of what makes something; its shared arguments have a section of their own.
MAKE = "GrokMakeOperator"


def chapter(name: str) -> str:
    """The text of a chapter.

    :param name: its file's name without the ending.
    """
    return PAGES[f"airflow_provider_grok/docs/{name}.md"]


def section(text: str, heading: str) -> str:
    """The text under a heading, up to the next one of its rank.

    :param text: a page.
    :param heading: its words, with or without backticks.
    """
    found = re.search(rf"^(#+) `?{re.escape(heading)}`?$\n(.*?)(?=^\1 |^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"The page has no heading {heading!r}."
    return found.group(2)


def table(text: str) -> dict[str, list[str]]:
    """All rows of tables in a text, by the bare text of their first cell.

    :param text: Markdown.
    """
    rows = (re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in text.splitlines() if line.startswith("|"))
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in rows}


def blocks(text: str, language: str) -> list[str]:
    """The code of a page in a language, also where it stands in a list.

    :param text: a page.
    :param language: such as python.
    """
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(code) for _, code in found]


def commands(text: str) -> list[str]:
    """What a page shows of a shell, line by line.

    :param text: a page.
    """
    return [line for code in blocks(text, "console") for line in code.splitlines()]


def operators() -> list[type]:
    """Every operator and sensor of ours that people use."""
    modules = (files, images, videos, batches, batch_sensors, file_sensors)
    found = [one for module in modules for one in vars(module).values() if inspect.isclass(one)]
    ours = {one.__name__: one for one in found if issubclass(one, BaseOperator) and one.__name__.startswith("Grok")}
    return [one for name, one in sorted(ours.items()) if name not in (*BASES, MAKE)]


def arguments(operator: type) -> Iterator[tuple[type, inspect.Parameter]]:
    """The arguments that our own constructors name, nearest first, with the class that names them.

    :param operator: an operator or a sensor.
    """
    seen = {"self"}
    for one in operator.__mro__:
        if not one.__module__.startswith("airflow_provider_grok") or "__init__" not in vars(one):
            continue
        # Airflow's metaclass wraps constructors, and keeps the signature.
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items():
            if name not in seen and parameter.kind is parameter.KEYWORD_ONLY:
                seen.add(name)
                yield one, parameter


def written(source: Path) -> str:
    """Every text constant of a module, one a line, as people read it.

    :param source: the module's file.
    """
    texts = (node.value for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Constant))
    return "\n".join(text for text in texts if isinstance(text, str))
