"""The modules that carry calls import one another in one direction only; imports for types count too."""

from __future__ import annotations

import ast
from pathlib import Path

API = Path(__file__).parents[2] / "airflow_provider_grok" / "api"
PREFIX = "airflow_provider_grok.api"
CARRIERS = (
    *("bodies", "errors", "endpoint", "answer", "call", "client", "deadline", "response", "exchange", "retry", "wire"),
    *("model", "downloads", "storage"),
)


def imported(module: str) -> set[str]:
    """The modules of `api/` that one of them imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((API / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == PREFIX:
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{PREFIX}."):
            names.add(node.module.removeprefix(f"{PREFIX}."))
    return names


def reached(module: str) -> set[str]:
    """Whatever a module imports, directly or through others."""
    found: set[str] = set()
    left = imported(module)
    while left:
        found |= left
        left = {name for one in left for name in imported(one)} - found
    return found


def test_no_module_that_carries_calls_imports_itself_by_a_detour() -> None:
    assert [module for module in CARRIERS if module in reached(module)] == []


def test_errors_and_endpoints_know_nothing_of_the_wire() -> None:
    assert not {"answer", "response", "wire"} & (reached("errors") | reached("endpoint") | reached("call") - {"answer"})
