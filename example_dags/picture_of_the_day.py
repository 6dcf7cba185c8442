"""A picture every morning, by a schedule: the prompt is a template, and a cap keeps a mistake from becoming a bill.

Cost: 1 picture at $0.04 (grok-imagine-image-2.0, low, 1k), about $1.20 a month.

When: at 6:00 UTC. Unpausing it buys nothing before the next 6:00, and a run that a person triggers takes the day's
picture if there is one. For another picture of the same day, change the param `place`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from airflow_provider_grok.operators.images import GrokImagineGenerateOperator

with DAG(
    "picture_of_the_day",
    description="One watercolour every morning, bought once a day whoever starts the run",
    # No start date, no catch-up, and no time for a run that was missed: unpausing the DAG does not start one.
    schedule=CronTriggerTimetable("0 6 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    params={"place": "a small harbour"},
    tags=["grok"],
    doc_md=__doc__,
):
    # `run_after` is there in every run; `ds` and `logical_date` are not in one that an asset or a person started.
    # `reuse="always"`: every run of the same day and place asks for the same picture, and it is bought once. The next
    # day is another prompt, and so another purchase.
    GrokImagineGenerateOperator(
        task_id="picture",
        prompt="{{ params.place }} on {{ dag_run.run_after.strftime('%A, %-d %B') }}, painted in watercolour",
        filename="today-{{ dag_run.run_after | ds }}.jpg",
        aspect_ratio="3:2",
        expires_after="{{ 30 * 24 * 3600 }}",
        share=True,
        max_cost_usd=0.25,
        reuse="always",
        retries=2,
    )
