"""A batch of edits whose results the server does not store: submitted, waited for without a worker, and kept."""

from __future__ import annotations

import datetime
from pathlib import Path

from airflow.sdk import dag

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, edit_image
from airflow_provider_grok.operators.files import GrokUploadOperator

PHOTO = Path(__file__).parents[3] / "example_dags" / "photos" / "coffee.png"
REQUESTS = 60


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": datetime.timedelta(seconds=1)},
)
def kept_batch() -> None:
    """Upload, submit, keep."""
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    batch = GrokBatchOperator(
        task_id="batch",
        requests=[
            edit_image(f"cup-{number}", prompt=f"on table {number}", image=upload.output) for number in range(REQUESTS)
        ],
    )
    GrokPersistOperator(task_id="keep", batch_id=batch.output, deferrable=True)


kept_batch()
