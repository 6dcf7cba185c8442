"""A person says yes: the pictures are shown for approval in Airflow, and only approved ones are handed out.

Cost: 2 edits at $0.07 each (grok-imagine-image-2.0, medium, 1k, one source), $0.14 a run.

What to do: open "Required Actions" of the run, look at the pictures, and choose "Approve" or "Reject".
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

from airflow_provider_grok.operators.files import GrokShareOperator, GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator

PHOTO = Path(__file__).parent / "photos" / "coffee.png"
LOOKS = ["on a dark slate table, low evening light", "in a cosy cafe, lights out of focus behind it"]

with DAG(
    "review",
    description="Two pictures wait for a person; only approved ones get a link for a month",
    schedule=None,
    tags=["grok"],
    doc_md=__doc__,
):
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    edit = GrokImagineEditOperator.partial(task_id="edit", image=upload.output).expand(prompt=LOOKS)

    # Links for the reviewer: after two days they are gone, and so is what nobody approved.
    preview = GrokShareOperator(task_id="preview", file=edit.output, captions=LOOKS, expires_after=timedelta(days=2))

    # Airflow shows the pictures under "Required Actions"; nobody waits for the answer on a worker. "Reject" skips what
    # follows, and two days of silence mean the same.
    approve = ApprovalOperator(
        task_id="approve",
        subject="Do these pictures go to the client?",
        body="{{ ti.xcom_pull(task_ids='preview', key='review_markdown') }}",
        response_timeout=timedelta(days=2),
        defaults="Reject",
    )

    # The same links, now for a month.
    publish = GrokShareOperator(task_id="publish", file=edit.output, expires_after=timedelta(days=30))

    preview >> approve >> publish
