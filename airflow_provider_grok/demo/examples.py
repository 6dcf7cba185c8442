"""The example DAGs: where they are, and what each is for."""

from __future__ import annotations

import ast
from pathlib import Path

MAIN_EXAMPLE = "product_shots.py"


def example_dags() -> Path:
    """The folder of the example DAGs: in a wheel inside the package, in a checkout beside it.

    :raises FileNotFoundError: when it is in neither place.
    """
    package = Path(__file__).parents[1]
    places = [package / "example_dags", package.parent / "example_dags"]
    for folder in places:
        if (folder / MAIN_EXAMPLE).is_file():
            return folder
    raise FileNotFoundError(
        f"The example DAGs are neither in {places[0]} nor in {places[1]}. Install the package anew."
    )


def descriptions() -> dict[str, str]:
    """What each example shows, by its name: the first line of its file."""
    found = {}
    for file in sorted(example_dags().glob("*.py")):
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        found[file.stem] = text.partition("\n")[0]
    return found
