"""One photo, a dozen looks: upload it once, edit it by file id, refine it in three steps, share the results.

Cost: 15 edits at $0.07 each (grok-imagine-image-2.0, medium, 1k, one source), $1.05 a run. Uploads and links are
free.

Where the pictures are: XCom `review_markdown` of the task `share` shows all of them, with their links.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_grok.operators.files import GrokShareOperator, GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator

LOOKS = [
    "on a white studio background with a soft shadow",
    "on a dark slate table, low evening light",
    "on a marble counter beside a window",
    "on a picnic blanket in a summer meadow",
    "in falling snow, steam rising from the cup",
    "on a desk between books and pencils",
    "in a cosy cafe, lights out of focus behind it",
    "on a balcony above the sea at sunrise",
    "as a watercolour on rough paper",
    "as a black and white photograph with film grain",
    "in warm autumn colours, leaves around the saucer",
    "as a flat poster illustration in three colours",
]
STEPS = [
    "remove everything but the cup, its saucer and the table",
    "move the light to the left and make it warmer",
    "leave free space at the top for a headline",
]

with DAG(
    "product_shots",
    description="One photo, uploaded once: twelve looks, a chain of three edits, and links to all",
    schedule=None,
    max_active_tasks=8,
    params={
        "photo": Param(
            str(Path(__file__).parent / "photos" / "coffee.png"),
            type="string",
            pattern=r"\.([Jj][Pp][Ee]?[Gg]|[Pp][Nn][Gg]|[Ww][Ee][Bb][Pp])$",
            description="A JPEG, PNG or WebP: its path on the worker, or its URL in an object storage.",
        )
    },
    tags=["grok"],
    doc_md=__doc__,
):
    # The same photo is never sent twice: the second run finds it stored already.
    upload = GrokUploadOperator(task_id="upload", source="{{ params.photo }}")

    # Twelve tasks that share one file id; each may spend ten cents, retries included.
    edit = GrokImagineEditOperator.partial(
        task_id="edit", image=upload.output, max_cost_usd=0.40, map_index_template="{{ task.prompt }}"
    ).expand(prompt=LOOKS)

    # Each step edits what the step before made.
    refined = []
    last = upload.output
    for number, step in enumerate(STEPS, start=1):
        last = GrokImagineEditOperator(task_id=f"refine_{number}", image=last, prompt=step, max_cost_usd=0.40).output
        refined.append(last)

    # Links that end after a week; XCom `review_markdown` shows all pictures with their captions.
    GrokShareOperator(task_id="share", file=[edit.output, *refined], captions=[*LOOKS, *STEPS])
