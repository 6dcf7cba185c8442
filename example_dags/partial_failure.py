"""When some pictures fail: what was kept is used, what was not is reported, and nothing is bought twice.

What fails here, on purpose, and costs nothing: in the batch, an edit of a photo that does not exist; among the
tasks, `large`, which would cost more than its cap. The run is a success all the same.

Cost: 7 pictures at $0.04 and 3 edits at $0.07 each (grok-imagine-image-2.0, 1k), $0.49 a run. Pictures that the
content rules refuse cost too.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, XComArg, task

from airflow_provider_grok.operators.batches import (
    GrokBatchOperator,
    GrokPersistOperator,
    edit_image,
    generate_image,
)
from airflow_provider_grok.operators.files import GrokShareOperator, GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator

PHOTO = Path(__file__).parent / "photos" / "coffee.png"
SUBJECTS = ["bicycle", "tram", "boat", "balloon", "funicular", "sled"]
LOOKS = ["in a summer meadow", "on a dark slate table", "in falling snow"]
#: The id of a photo that nobody has stored.
GONE = "file_00000000-0000-4000-8000-000000000000"
log = logging.getLogger("airflow.task")


@task
def publish(pictures: list[str]) -> int:
    """Runs only if enough was kept (trigger rule all_success, the default)."""
    return len(pictures)


@task(trigger_rule="all_done")
def report(receipt: dict[str, Any]) -> dict[str, int]:
    """Runs whatever happened: receipt and manifest are there before a task fails."""
    counts: dict[str, int] = receipt["counts"]
    log.info("%s; it cost %.2f USD.", counts, receipt["usage"]["cost_usd"])
    return counts


with DAG(
    "partial_failure",
    description="Some pictures fail on purpose: the rest is used, and a report says what became of each",
    schedule=None,
    tags=["grok"],
    doc_md=__doc__,
):
    # In a batch, `min_success` says how much must be kept. Below it the task fails, after all the rest is safe.
    submit = GrokBatchOperator(
        task_id="submit",
        requests=[
            *(generate_image(subject, prompt=f"a red {subject}") for subject in SUBJECTS),
            edit_image("lost-photo", prompt="in the rain", image=GONE),
        ],
    )
    persist = GrokPersistOperator(task_id="persist", batch_id=submit.output, min_success=0.7)
    publish(persist.output)
    report(XComArg(persist, key="receipt"))

    # With mapped tasks, `on_moderated="skip"` takes a refused picture out, and the next task goes on with the others:
    # none_failed_min_one_success means "skipped ones do not matter, failed ones do".
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    edit = GrokImagineEditOperator.partial(task_id="edit", image=upload.output, on_moderated="skip").expand(
        prompt=LOOKS
    )
    GrokShareOperator(task_id="share", file=edit.output, trigger_rule="none_failed_min_one_success")

    # A task that fails can have an understudy: `all_failed` runs only then, and the run is a success.
    large = GrokImagineGenerateOperator(
        task_id="large", prompt="a poster of a red tram", resolution="2k", quality="high", max_cost_usd=0.01
    )
    small = GrokImagineGenerateOperator(task_id="small", prompt="a poster of a red tram", trigger_rule="all_failed")
    large >> small
