"""One photo, uploaded once and edited twenty times by its id: the provider's main job as a deferrable mapped task."""

from __future__ import annotations

import datetime
from pathlib import Path

from airflow.sdk import dag

from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator

PHOTO = Path(__file__).parents[3] / "example_dags" / "photos" / "coffee.png"
PROMPTS = [f"the same cup, as painted on day {day}" for day in range(1, 21)]


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": datetime.timedelta(seconds=1)},
)
def mapped_edits() -> None:
    """Upload, then edit once per prompt."""
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    edit = GrokImagineEditOperator.partial(task_id="edit", image=upload.output, deferrable=True, defer_after=0)
    edit.expand(prompt=PROMPTS)


mapped_edits()
