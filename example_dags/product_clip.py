"""A clip from a photo: make the picture fit, let it move, and make the clip longer.

Cost: 1 edit at $0.07; 4 s of video at $0.08 and its picture at $0.01 (grok-imagine-video-1.5, 480p); 3 s more at
$0.05 and 4 s of source at $0.01 (grok-imagine-video): $0.59 a run. A cap on each task keeps it there.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator
from airflow_provider_grok.operators.videos import GrokImagineVideoExtendOperator, GrokImagineVideoOperator

PHOTO = Path(__file__).parent / "photos" / "coffee.png"

with DAG(
    "product_clip",
    description="A photo becomes a picture, a clip of 4 s and a longer clip of 7 s",
    schedule=None,
    tags=["grok"],
    doc_md=__doc__,
):
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    still = GrokImagineEditOperator(
        task_id="still", image=upload.output, prompt="clear the table, morning light", max_cost_usd=2.00
    )

    # Videos take minutes: with `deferrable` (or Airflow's default_deferrable) no worker waits for them.
    clip = GrokImagineVideoOperator(
        task_id="clip", image=still.output, prompt="steam rises, the light moves slowly", duration=4, max_cost_usd=2.00
    )
    GrokImagineVideoExtendOperator(
        task_id="longer",
        video=clip.output,
        prompt="a hand takes the cup out of the picture",
        duration=3,
        filename="coffee-clip.mp4",
        share=True,
        max_cost_usd=2.00,
    )
