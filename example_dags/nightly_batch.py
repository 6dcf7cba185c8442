"""Fifty looks of one photo every night, by the Batch API: submitted, kept, shared, and shown on one page.

Cost: 50 edits at $0.07 each (grok-imagine-image-2.0, medium, 1k, one source), $3.50 a night; the cap stops at $4.

When: at 2:00 UTC. Unpausing it buys nothing before the next 2:00. A run that a person triggers takes what was
bought for the same date already, and buys the rest. The page of a night lies in the param `folder`, under its date.
"""

from __future__ import annotations

import json
from datetime import timedelta
from html import escape
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, XComArg, task

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, edit_image
from airflow_provider_grok.operators.files import GrokUploadOperator

PHOTO = Path(__file__).parent / "photos" / "coffee.png"
CITIES = ["Lisbon", "Vienna", "Istanbul", "Bergen", "Naples", "Porto", "Trieste", "Oslo", "Paris", "Cairo"]
HOURS = ["dawn", "noon", "sunset", "night", "rain"]


@task
def requests(photo: str) -> list[dict[str, Any]]:
    """One request for each city and hour. The ids stay the same, so a retry adds only what is missing."""
    return [
        edit_image(f"{city.lower()}-{hour}", prompt=f"in a cafe in {city}, {hour}", image=photo)
        for city in CITIES
        for hour in HOURS
    ]


@task
def contact_sheet(manifest: str, folder: str) -> str:
    """All pictures on one page, by their links: no bytes are copied. Returns the page's path."""
    from airflow_provider_grok.hooks.grok import GrokHook  # here: parsing a DAG file should cost little

    rows = Path(GrokHook().download(manifest, f"{folder}/manifest.jsonl")).read_text(encoding="utf-8").splitlines()
    cells = [
        f'<figure><img src="{escape(one["public_url"])}" width="240"><figcaption>{escape(row["batch_request_id"])}'
        "</figcaption></figure>"
        for row in map(json.loads, rows)
        for one in row["files"]
    ]
    page = Path(folder) / "contact-sheet.html"
    page.write_text(f"<title>Tonight</title><style>figure{{float:left}}</style>{''.join(cells)}\n", encoding="utf-8")
    return str(page)


with DAG(
    "nightly_batch",
    description="Fifty looks of one photo every night by the Batch API, on one page",
    # No start date, no catch-up, and no time for a run that was missed: unpausing the DAG does not start one.
    schedule=CronTriggerTimetable("0 2 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    params={"folder": Param(f"{Path.home()}/grok-nightly", type="string", description="Folder for the pages.")},
    tags=["grok"],
    doc_md=__doc__,
):
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))

    # `reuse="always"` with the date in the name: a second run of the same date finds the batch of the first.
    submit = GrokBatchOperator(
        task_id="submit",
        requests=requests(upload.output),
        name="looks-{{ dag_run.run_after | ds }}",
        reuse="always",
        max_cost_usd=4,
        retries=2,
    )

    # It waits by itself and needs no sensor before it: the first results' links die before a long batch ends. The run
    # is good if nine of ten are kept; XCom `manifest` says what became of each.
    persist = GrokPersistOperator(task_id="persist", batch_id=submit.output, min_success=0.9, share=True, retries=2)

    contact_sheet(XComArg(persist, key="manifest"), "{{ params.folder }}/{{ dag_run.run_after | ds }}")
