"""The map of the package: it names what there is, covers what there is, and the ledger's table is the code's own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from airflow_provider_grok.flows.purchases import ledger
from tests.docs import module_list
from tests.docs.chapters import PACKAGE, ROOT, chapter, section, table

TEXT = chapter("architecture")
WRITTEN_BY_HAND = TEXT.partition(module_list.BEGIN)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows of a text, rules left out."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [row for row in cells if set("".join(row)) != {"-"}]


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`([\w/]+\.(?:py|json))`", WRITTEN_BY_HAND))
    assert len(named) > 40
    assert [name for name in named if not ((PACKAGE / name).is_file() or (ROOT / name).is_file())] == []


def test_every_folder_of_code_is_covered() -> None:
    said = set(re.findall(r"`([\w/]+)`", " ".join(row[0] for row in rows(section(TEXT, "Folders")))))
    folders = {file.parent.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py")} - {"."}
    assert {one for one in folders if one not in said and "example_dags" not in one} == set()


def test_the_list_of_modules_is_the_one_that_they_give() -> None:
    assert module_list.renewed(TEXT) == TEXT, "Write it anew: uv run python -m tests.docs.module_list"


def test_the_table_of_the_ledger_is_the_one_at_its_head() -> None:
    assert rows(section(TEXT, "The ledger decides")) == rows(ledger.__doc__ or "")


def test_where_to_begin_is_told_for_the_usual_changes() -> None:
    said = " ".join(table(section(TEXT, "Where do I ...")))
    for words in ("field", "kind of job", "pace", "error", "operator", "twice", "price", "extra", "fault", "kill"):
        assert words in said


def test_the_picture_is_svg_with_a_title() -> None:
    picture = ElementTree.parse(PACKAGE / "docs" / "architecture.svg").getroot()
    texts = " ".join("".join(node.itertext()) for node in picture.iter() if node.tag.endswith(("text", "title")))
    for layer in ("operators/", "sensors/", "triggers/", "hooks/", "flows/", "api/", "sandbox/"):
        assert layer in texts
