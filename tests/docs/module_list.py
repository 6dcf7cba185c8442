"""The list of modules in docs/architecture.md, made of their first sentences: `python -m tests.docs.module_list`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import airflow_provider_grok

PACKAGE = Path(airflow_provider_grok.__file__).parent
CHAPTER = PACKAGE / "docs" / "architecture.md"
BEGIN = "<!-- modules: written by python -m tests.docs.module_list -->\n"
END = "<!-- end of modules -->\n"


def first_sentence(file: Path) -> str:
    """What a module says of itself first.

    :param file: its source.
    """
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    words = " ".join(text.partition("\n\n")[0].split())
    return f"{words.partition('. ')[0].rstrip('.')}."


def modules() -> dict[str, str]:
    """The first sentence of every module that says something, by its path inside the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    # A package's __init__ is empty, and in a wheel the example DAGs lie beside the code.
    ours = (file for file in files if file.name != "__init__.py" and "example_dags" not in file.parts)
    return {file.relative_to(PACKAGE).as_posix(): first_sentence(file) for file in ours}


def as_markdown(listed: dict[str, str]) -> str:
    """The list as Markdown, a table for each folder.

    :param listed: sentences by path.
    """
    return "\n".join(_tables(listed)) + "\n"


def _tables(listed: dict[str, str]) -> Iterator[str]:
    folder = None
    for path, sentence in sorted(listed.items(), key=lambda one: (one[0].rpartition("/")[0], one[0])):
        home = path.rpartition("/")[0]
        if home != folder:
            yield from ("", f"**{home or 'the package itself'}**", "", "| file | what it is for |", "|---|---|")
            folder = home
        yield f"| `{path}` | {sentence.replace('|', chr(92) + '|')} |"


def renewed(chapter: str) -> str:
    """The chapter with the list as it is to be.

    :param chapter: its text.
    """
    before, _, rest = chapter.partition(BEGIN)
    return f"{before}{BEGIN}{as_markdown(modules())}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    CHAPTER.write_text(renewed(CHAPTER.read_text(encoding="utf-8")), encoding="utf-8")
