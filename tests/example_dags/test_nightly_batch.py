"""A batch from one upload: kept, shared, charged once for each request, and shown on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pendulum

from tests.dag_run import missed_runs

if TYPE_CHECKING:
    from tests.dag_run import RunDag

NIGHT = pendulum.datetime(2026, 3, 1, 2, tz="UTC")
FILE = Path(__file__).parents[2] / "example_dags" / "nightly_batch.py"


def test_every_request_of_the_batch_becomes_a_shared_file_on_the_page(run_dag: RunDag, tmp_path: Path) -> None:
    run = run_dag(FILE, conf={"folder": str(tmp_path)})
    assert run.state == "success"
    kept, links = run.xcom("persist"), run.xcom("persist", "public_url")
    assert len(set(kept)) == len(set(links)) == len(run.charges) == 50
    assert len(run.requests("POST", "/v1/batches")) == 1
    assert len(run.requests("POST", "/v1/files")) == 2, "the photo and the manifest: results are stored by the server"
    assert run.xcom("persist", "receipt")["usage"]["cost_in_usd_ticks"] == 35_000_000_000
    assert Path(run.xcom("contact_sheet")).parent.parent == tmp_path
    rows = [
        json.loads(line)
        for line in Path(run.xcom("contact_sheet")).with_name("manifest.jsonl").read_text().splitlines()
    ]
    assert [rows[0]["batch_request_id"], rows[-1]["batch_request_id"]] == ["lisbon-dawn", "cairo-rain"]
    page = Path(run.xcom("contact_sheet")).read_text()
    assert [page.count("<img"), *{page.count(link) for link in links}] == [50, 1]


def test_neither_unpausing_it_nor_a_second_run_of_the_same_date_buys_twice(run_dag: RunDag, tmp_path: Path) -> None:
    scheduled = run_dag(FILE, conf={"folder": str(tmp_path)}, run_after=NIGHT, logical_date=NIGHT)
    by_a_person = run_dag(FILE, conf={"folder": str(tmp_path)}, run_after=NIGHT.add(hours=9), logical_date=None)
    assert (scheduled.state, by_a_person.state) == ("success", "success")
    assert (len(scheduled.charges), len(by_a_person.charges)) == (50, 0)
    assert by_a_person.xcom("persist") == scheduled.xcom("persist")
    assert not missed_runs("nightly_batch")
