"""A batch whose results go to an object storage, in order, with a manifest beside them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "batch_to_object_storage.py"


def test_every_result_lies_in_the_archive_as_it_was_made(run_dag: RunDag, tmp_path: Path) -> None:
    run = run_dag(FILE, conf={"archive": f"file://{tmp_path}"})
    assert run.state == "success"
    urls = run.xcom("persist")
    assert [Path(url).name.split(".")[2] for url in urls[:2]] == ["a-red-bicycle", "a-blue-tram"]
    assert run.requests("POST", "/v1/files") == []
    manifest = Path(urlsplit(run.xcom("persist", "manifest")).path).read_text()
    rows = [json.loads(line) for line in manifest.splitlines()]
    assert [row["files"][0]["url"] for row in rows] == urls
    for row in rows:
        (file,) = row["files"]
        assert hashlib.sha256(Path(urlsplit(file["url"]).path).read_bytes()).hexdigest() == file["sha256"]
    assert sum(charge["ticks"] for charge in run.charges) == 2_400_000_000
