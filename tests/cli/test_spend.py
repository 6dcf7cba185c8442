"""`airflow-grok spend`: the sums of receipts, the same as the page Spend shows."""

from __future__ import annotations

import csv
import json

import pytest
from airflow.sdk import DAG

from airflow_provider_grok.cli import spend as command
from airflow_provider_grok.operators.images import GrokImagineGenerateOperator
from airflow_provider_grok.ui import spend
from tests.cli.conftest import Grok
from tests.dag_run import RunDag


@pytest.fixture
def bought(run_dag: RunDag) -> int:
    """Two pictures by one DAG; the ticks that they cost."""
    with DAG("spending") as dag:
        for number in (1, 2):
            GrokImagineGenerateOperator(task_id=f"picture_{number}", prompt=f"a red bicycle {number}")
    finished = run_dag(dag)
    assert finished.state == "success"
    return sum(one["ticks"] for one in finished.charges)


def test_sums_are_those_of_the_ledger_in_every_form(grok: Grok, bought: int) -> None:
    words = ["spend", "--dag", "spending"]
    shown = grok(*words, "--by", "task")
    assert shown.code == 0
    assert shown.out[0].split()[:2] == ["TASK", "BILLED"]
    assert [line.split()[0] for line in shown.out[1:3]] == ["spending.picture_1", "spending.picture_2"]
    assert shown.out[-2] == f"{bought / 1e10:.2f} USD by 2 tasks, 0.00 USD of it estimated."
    assert "deleted runs" in shown.out[-1]
    (row,) = map(json.loads, grok(*words, "--by", "dag", "--json").out)
    assert (row["dag"], row["billed_in_usd_ticks"], row["tasks"], row["results"]) == ("spending", bought, 2, 2)
    (by_model,) = csv.DictReader(grok(*words, "--by", "model", "--csv").out)
    assert by_model["model"].startswith("grok-imagine-image")
    assert float(by_model["billed_usd"]) == bought / 1e10


@pytest.mark.usefixtures("bought")
def test_other_dags_and_older_receipts_are_left_out(grok: Grok) -> None:
    for words in (["--dag", "other*"], ["--within", "0"]):
        assert grok("spend", *words, "--json").out == []


def test_sums_are_made_by_what_the_page_offers() -> None:
    assert tuple(spend.DIMENSIONS) == command.DIMENSIONS
