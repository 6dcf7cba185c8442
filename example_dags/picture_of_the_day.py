"""A picture every morning, by a schedule: the prompt is a template, and a cap keeps a mistake from becoming a bill.

Cost: 1 picture at $0.04 (grok-imagine-image-2.0, low, 1k), about $1.20 a month.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_grok.operators.images import GrokImagineGenerateOperator

with DAG(
    "picture_of_the_day",
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"place": "a small harbour"},
    tags=["grok"],
    doc_md=__doc__,
):
    # `run_after` is there in every run; `ds` and `logical_date` are not in one that an asset or a person started.
    # A retry of the same run finds its picture by name and pays nothing; the next day is another purchase.
    GrokImagineGenerateOperator(
        task_id="picture",
        prompt="{{ params.place }} on {{ dag_run.run_after.strftime('%A, %-d %B') }}, painted in watercolour",
        filename="today-{{ dag_run.run_after | ds }}.jpg",
        aspect_ratio="3:2",
        expires_after="{{ 30 * 24 * 3600 }}",
        share=True,
        max_cost_usd=0.05,
        retries=2,
    )
