"""Files whose names were made to do harm: they come out of the operators as harmless as any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_grok.operators.files import GrokDownloadOperator, GrokShareOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun

Store = Callable[..., str]
#: As a server may tell them: this one's own rules do not count, so they are written into its memory.
NAMES = [
    "../../../outside.png",
    "..",
    ".",
    "/etc/passwd",
    "..\\..\\outside.png",
    "a\x00b.png",
    "\x1b]0;owned\x07\x1b[2J.png",
    "\u202egnp.exe",
    ".bashrc",
    "~",
    "x" * 10_000 + ".png",
    "",
    "a\r\nb.png",
]


@pytest.fixture(params=NAMES, ids=lambda name: ascii(name[:20]))
def file_id(request: pytest.FixtureRequest, sandbox: Sandbox, store: Store) -> str:
    """A stored picture with such a name."""
    stored = store()
    sandbox.backend.store.change("UPDATE files SET filename = ? WHERE id = ?", request.param, stored)
    return stored


def test_a_download_stays_in_its_folder_under_a_plain_name(file_id: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    target = TaskRun(GrokDownloadOperator, task_id="get", file=file_id, destination=f"{folder}/").execute()
    (written,) = folder.iterdir()
    assert Path(target) == written
    assert written.name.isprintable()
    assert not written.name.startswith(".")
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "source.png"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["down"]


def test_several_files_of_one_hostile_name_do_not_overwrite_each_other(
    file_id: str, store: Store, sandbox: Sandbox, tmp_path: Path
) -> None:
    (name,) = (row[0] for row in sandbox.backend.store.rows("SELECT filename FROM files"))
    other = store(shade=9)
    sandbox.backend.store.change("UPDATE files SET filename = ? WHERE id = ?", name, other)
    folder = tmp_path / "out"
    run = TaskRun(GrokDownloadOperator, task_id="get", file=[file_id, other], destination=f"{folder}/")
    assert len(set(run.execute())) == len(list(folder.iterdir())) == 2


def test_a_review_shows_the_name_and_nothing_that_it_wanted(file_id: str) -> None:
    run = TaskRun(GrokShareOperator, task_id="share", file=file_id)
    link = run.execute()
    review = run.xcom["review_markdown"]
    assert f"]({link})" in review
    assert not {"\x1b", "\x00", "\r", "\u202e", "\x07"} & set(review)
    assert review.count("](http") == review.count(f"]({link})")
