"""One photo, uploaded once and animated twenty times by its id: long jobs as a deferrable mapped task."""

from __future__ import annotations

import datetime
from pathlib import Path

from airflow.sdk import dag

from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.videos import GrokImagineVideoOperator

PHOTO = Path(__file__).parents[3] / "example_dags" / "photos" / "coffee.png"
PROMPTS = [f"steam rises over the cup, take {take}" for take in range(1, 21)]


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": datetime.timedelta(seconds=1)},
)
def mapped_videos() -> None:
    """Upload, then animate once per prompt."""
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    animate = GrokImagineVideoOperator.partial(
        task_id="animate", image=upload.output, duration=2, deferrable=True, defer_after=0
    )
    animate.expand(prompt=PROMPTS)


mapped_videos()
