"""Orders of all kinds, to be carried out on more machines than one; a run's conf gives the `case` it is named after."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image
from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator

PHOTO = Path(__file__).parents[3] / "example_dags" / "photos" / "coffee.png"
CASE = "{{ dag_run.conf['case'] }}"
PICTURE: dict[str, Any] = {"task_id": "work", "prompt": f"{CASE} in blue", "filename": f"{CASE}.jpg"}
DAG_TERMS: dict[str, Any] = {
    "schedule": None,
    "default_args": {"retries": 2, "retry_delay": timedelta(seconds=1)},
}


def batch(requests: int, **terms: Any) -> None:
    """Order so many pictures at once, and keep them."""
    wanted = [generate_image(f"{CASE}-{view}", prompt=f"view {view}") for view in range(requests)]
    conn_id = terms.get("grok_conn_id", "grok_default")
    order = GrokBatchOperator(task_id="batch", name=CASE, requests=wanted, grok_conn_id=conn_id)
    _ = order >> GrokPersistOperator(task_id="work", batch_id="{{ ti.xcom_pull('batch') }}", **terms)


with DAG("order_edits", **DAG_TERMS):
    photo = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    edit = GrokImagineEditOperator.partial(task_id="work", image=photo.output, deferrable=True, defer_after=0)
    edit.expand(prompt=[f"the same cup, as painted on day {day}" for day in range(1, 21)])

with DAG("order_hold", **DAG_TERMS):
    GrokImagineGenerateOperator(deferrable=False, **PICTURE)

with DAG("order_wait", **DAG_TERMS):
    GrokImagineGenerateOperator(deferrable=True, defer_after=0, **PICTURE)

with DAG("order_batch", **DAG_TERMS):
    batch(3, deferrable=True)

with DAG("order_copies", **DAG_TERMS):
    batch(6, deferrable=False, grok_conn_id="grok_copies")
