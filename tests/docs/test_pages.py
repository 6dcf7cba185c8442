"""Every page of the manual: its code parses and imports what there is, its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from tests.docs.chapters import PAGES, ROOT, blocks

PYTHON = [
    pytest.param(code, id=f"{page.rpartition('/')[2]}-{index}")
    for page, text in PAGES.items()
    for index, code in enumerate(blocks(text, "python"))
]


def resolves(module: str, name: str | None = None) -> bool:
    """Whether a module, or a name in it, is there."""
    try:
        found = importlib.import_module(module)
        if name and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True


def anchors(text: str) -> set[str]:
    """The places inside a page that a link can lead to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("code", PYTHON)
def test_python_parses_and_imports_what_there_is(code: str) -> None:
    tree = ast.parse(code)
    missing = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            missing += [alias.name for alias in node.names if not resolves(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            missing += [f"{module}.{alias.name}" for alias in node.names if not resolves(module, alias.name)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_within_the_repository_leads_somewhere(page: str) -> None:
    home = (ROOT / page).parent
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (home / path).resolve() if path else ROOT / page
        if not there.exists() or (anchor and anchor not in anchors(there.read_text(encoding="utf-8"))):
            lost.append(target)
    assert lost == []


def test_the_readme_leads_to_every_chapter() -> None:
    chapters = [page for page in PAGES if page.startswith("airflow_provider_grok/docs/")]
    assert [page for page in chapters if f"]({page}" not in PAGES["README.md"]] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_an_address_of_this_project_that_nobody_gave(page: str) -> None:
    assert re.findall(r"https?://(?:github|gitlab)\.com/\S*grok", PAGES[page]) == []
