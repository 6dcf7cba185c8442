"""Results of a batch into your own storage: nothing stays at xAI that you did not ask for.

Cost: 6 pictures at $0.04 each (grok-imagine-image-2.0, low, 1k), $0.24 a run. Downloads by link are free.

Where the pictures are: in a folder of the run below the param `archive`, with a manifest that has a line for each.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image

SUBJECTS = ["a red bicycle", "a blue tram", "a paper boat", "a hot-air balloon", "a cable car", "a wooden sled"]

with DAG(
    "batch_to_object_storage",
    description="Six postcards by the Batch API, copied into your own storage",
    schedule=None,
    params={
        "archive": Param(
            f"file://{Path.home()}/grok-batches",
            type="string",
            description="Any storage that Airflow knows, such as s3://aws_default@bucket/folder.",
        )
    },
    tags=["grok"],
    doc_md=__doc__,
):
    submit = GrokBatchOperator(
        task_id="submit",
        name="postcards",
        requests=[
            generate_image(subject.replace(" ", "-"), prompt=f"{subject}, as a postcard", aspect_ratio="3:2")
            for subject in SUBJECTS
        ],
        # What the server stores on the way is gone after a day: the copies below are the ones to keep.
        expires_after="86400",
        max_cost_usd=1.00,
        retries=2,
    )

    # Each result is streamed, checked (length, kind, SHA-256) and written as it is made. The URLs come back in the
    # order of the requests; `manifest`, a file in the same folder, has a line for each.
    GrokPersistOperator(
        task_id="persist",
        batch_id=submit.output,
        destination="{{ params.archive }}/{{ run_id | replace(':', '-') }}",
        retries=2,
    )
