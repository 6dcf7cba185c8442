"""The chapter on errors quotes messages and log lines that the code has."""

from __future__ import annotations

from tests.docs.chapters import PACKAGE, chapter, section, table, written

TEXT = chapter("errors")
OURS = "\n".join(written(file) for file in PACKAGE.rglob("*.py"))


def test_every_error_message_is_one_of_ours() -> None:
    fragments = table(TEXT.partition("\n## ")[0]).keys() - {"message contains", "---"}
    assert len(fragments) > 20
    assert [one for one in fragments if one not in OURS] == []


def test_every_line_of_the_log_is_one_of_ours() -> None:
    fragments = table(section(TEXT, "What the log says about money")).keys() - {"line contains", "---"}
    assert len(fragments) > 5
    assert [one for one in fragments if one not in OURS] == []
