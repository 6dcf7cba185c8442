"""A clip from a photo: each step made of the last, priced as the example says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "product_clip.py"


def test_a_photo_becomes_a_clip_that_is_extended_and_shared(run_dag: RunDag) -> None:
    run = run_dag(FILE)
    assert run.state == "success"
    assert run.xcom("clip", "receipt")["request"]["sources"] == [run.xcom("still")]
    assert run.xcom("longer", "receipt")["request"]["sources"] == [run.xcom("clip")]
    answer = httpx.get(run.xcom("longer", "public_url"), trust_env=False)
    assert answer.content[4:8] == b"ftyp", "an MP4"
    assert [round(charge["ticks"] / 1e10, 2) for charge in run.charges] == [0.07, 0.33, 0.19]
