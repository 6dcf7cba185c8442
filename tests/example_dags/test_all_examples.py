"""What holds for every example: it says what it is in the UI, and shares no folder with other users."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from tests.dag_run import load

FILES = sorted((Path(__file__).parents[2] / "example_dags").glob("*.py"))
each = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])


@each
def test_an_example_says_in_the_ui_what_it_is_and_what_it_costs(file: Path) -> None:
    dag = load(file)
    assert dag.description and 20 < len(dag.description) < 100
    assert dag.doc_md and "Cost: " in dag.doc_md
    assert dag.description.rstrip(".") == dag.description


@each
def test_an_example_is_typed_and_writes_to_no_folder_that_all_users_share(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"type: ignore|# mypy:|/tmp", text)
    defaults = [str(param) for param in load(file).params.dump().values()]
    elsewhere = [value for value in defaults if not value.startswith(str(file.parent))]
    assert not [value for value in elsewhere if tempfile.gettempdir() in value]


def test_only_a_picture_is_taken_as_photo() -> None:
    pattern = (
        load(next(file for file in FILES if file.stem == "product_shots")).params.get_param("photo").schema["pattern"]
    )
    taken = ["cup.png", "/data/CUP.JPG", "s3://aws_default@bucket/cup.webp", "cup.jpeg"]
    assert [
        name for name in [*taken, "/etc/passwd", "cup.png.txt", "png", "cup.svg"] if re.search(pattern, name)
    ] == taken
