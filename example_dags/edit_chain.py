"""A chain of edits: each task edits what the task before made, so a later step can be changed without paying for all.

Cost: 3 edits at $0.07 each (grok-imagine-image-2.0, medium, 1k, one source), $0.21 a run.

Try: clear the task `relight` with everything after it: the picture of `retouch` is used again, and two are bought.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator

PHOTO = Path(__file__).parent / "photos" / "coffee.png"

with DAG(
    "edit_chain",
    description="One photo, three edits in a row, each of which can be repeated by itself",
    schedule=None,
    tags=["grok"],
    doc_md=__doc__,
):
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))

    # `reuse="attempt"`: whoever dislikes a step clears that task (and, with "downstream", all after it) and gets
    # another try of it. A retry after a crash still takes the picture that was paid for already.
    retouch = GrokImagineEditOperator(
        task_id="retouch", image=upload.output, prompt="remove the crumbs and the stains", reuse="attempt"
    )
    relight = GrokImagineEditOperator(
        task_id="relight", image=retouch.output, prompt="morning light from the left, soft shadows", reuse="attempt"
    )

    # Only the last picture gets a link: the steps before are nobody's business.
    GrokImagineEditOperator(
        task_id="finish",
        image=relight.output,
        prompt="add free space at the top for a headline",
        filename="coffee-campaign.jpg",
        reuse="attempt",
        share=True,
    )
