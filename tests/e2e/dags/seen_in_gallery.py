"""A photo, two edits after one another, a film of the second, and three mapped looks: what a gallery has to show."""

from __future__ import annotations

import datetime
from pathlib import Path

from airflow.sdk import dag

from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator
from airflow_provider_grok.operators.videos import GrokImagineVideoOperator

PHOTO = Path(__file__).parents[3] / "example_dags" / "photos" / "coffee.png"
LOOKS = ["in watercolour", "as a paper cut", "at night, in the rain"]


@dag(
    schedule=None,
    catchup=False,
    default_args={"retries": 2, "retry_delay": datetime.timedelta(seconds=1), "deferrable": False},
)
def seen_in_gallery() -> None:
    """The first edit has no link: it is seen where previews are on, and else is a placeholder."""
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    retouch = GrokImagineEditOperator(task_id="retouch", image=upload.output, prompt="remove the crumbs")
    relight = GrokImagineEditOperator(
        task_id="relight", image=retouch.output, prompt="morning light from the left", share=True
    )
    GrokImagineVideoOperator(
        task_id="film", image=relight.output, prompt="steam rises, the camera moves in", duration=2, share=True
    )
    looks = GrokImagineEditOperator.partial(
        task_id="looks", image=upload.output, share=True, map_index_template="{{ task.prompt }}"
    )
    looks.expand(prompt=LOOKS)


seen_in_gallery()
