"""What a failed task leaves, in real Airflow: nothing is paid for again, and who comes after it finds what there is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, XComArg, task

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image
from airflow_provider_grok.operators.delivery import request_told
from airflow_provider_grok.operators.images import GrokImagineGenerateOperator
from tests.dag_run import RunDag

UPLOAD = {"method": "POST", "path": "/v1/files", "times": None}
TRIES: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(milliseconds=1)}


@task(trigger_rule="all_done")
def after(receipt: dict[str, Any]) -> dict[str, Any]:
    """Comes whatever happened."""
    return receipt


def test_a_picture_that_only_a_person_can_help_is_bought_once_and_told(run_dag: RunDag) -> None:
    run_dag.sandbox.faults.add({"method": "POST", "path": "/v1/images/*", "action": {"storage_error": True}})
    run_dag.sandbox.faults.add({**UPLOAD, "action": {"status": 403}})
    with DAG("stuck", default_args=TRIES) as dag:
        made = GrokImagineGenerateOperator(task_id="make", prompt="a red bicycle")
        after(XComArg(made, key="receipt"))  # type: ignore[arg-type]
    run = run_dag(dag)
    assert run.states == {"make": "failed", "after": "success"}
    assert len(run.charges) == len(run.requests("POST", "/v1/images/generations")) == 1
    told = run.xcom("after")
    assert told["usage"]["cost_in_usd_ticks"] == run.charges[0]["ticks"]
    assert "403" in told["files"][0]["reason"]
    assert "another try fetches it unpaid" in run.log


def test_a_job_that_was_not_finished_in_time_is_named_in_the_receipt(run_dag: RunDag) -> None:
    run_dag.sandbox.clock.rate = 0
    with DAG("late", default_args={"retries": 0}) as dag:
        made = GrokImagineGenerateOperator(task_id="make", prompt="a red bicycle", timeout=1)
        after(XComArg(made, key="receipt"))  # type: ignore[arg-type]
    run = run_dag(dag)
    assert run.states == {"make": "failed", "after": "success"}
    told = run.xcom("after")
    assert told["request_id"] == run.charges[0]["id"]
    assert told["usage"] == {"cost_in_usd_ticks": run.charges[0]["ticks"], "cost_usd": 0.04, "estimated": True}


def test_a_batch_of_which_the_server_takes_nothing_is_cancelled_and_told(run_dag: RunDag) -> None:
    gone = {"status": 404, "body": {"code": "not-found", "error": "File file_1 not found."}}
    run_dag.sandbox.faults.add({"method": "POST", "path": "/v1/batches/*/requests", "times": None, "action": gone})
    with DAG("refused", default_args=TRIES) as dag:
        batch = GrokBatchOperator(task_id="batch", requests=[generate_image("a", prompt="x")])
        after(XComArg(batch, key="receipt"))  # type: ignore[arg-type]
    run = run_dag(dag)
    assert run.states == {"batch": "failed", "after": "success"}
    assert len(run.requests("POST", "/v1/batches")) == 1
    batch_id = run.xcom("after")["request_id"]
    assert len(run.requests("POST", f"/v1/batches/{batch_id}:cancel")) == 1
    assert run.charges == []


def test_results_whose_manifest_is_refused_are_in_xcom(run_dag: RunDag) -> None:
    run_dag.sandbox.faults.add({**UPLOAD, "action": {"status": 403}})
    requests = [generate_image(f"row-{number}", prompt="x") for number in range(3)]
    with DAG("unlisted", default_args=TRIES) as dag:
        batch = GrokBatchOperator(task_id="batch", requests=requests)
        kept = GrokPersistOperator(task_id="keep", batch_id=batch.output)
        after(XComArg(kept, key="receipt"))  # type: ignore[arg-type]
    run = run_dag(dag)
    assert run.states == {"batch": "success", "keep": "failed", "after": "success"}
    assert len(set(run.xcom("keep"))) == 3
    assert run.xcom("after")["counts"] == {"requests": 3, "kept": 3}


def test_the_sources_of_a_request_are_told_in_order_and_without_signatures() -> None:
    frame = {"image": {"file_id": "file_4"}, "timestamp_s": 1}
    body = {
        "image": {"url": "https://x.ai/a.png?sig=1"},
        "reference_images": [{"file_id": "file_3"}],
        "keyframes": [frame],
    }
    assert request_told(body)["sources"] == ["https://x.ai/a.png", "file_3", "file_4"]


@pytest.mark.parametrize(
    "body",
    [{"image": "file_1"}, {"images": "file_1"}, {"images": ["file_1", {"url": 5}]}, {"keyframes": [1, {"image": 2}]}],
)
def test_a_request_that_the_server_would_not_take_can_still_be_told(body: dict[str, Any]) -> None:
    assert request_told({"prompt": "x", "model": "m", **body}) == {"prompt": "x", "model": "m", "sources": []}
