"""One picture whose job is waited for in the triggerer: what an older Airflow must be able to do."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_provider_grok.operators.images import GrokImagineGenerateOperator


@dag(schedule=None, catchup=False)
def one_deferred_wait() -> None:
    """Generate, deferred."""
    GrokImagineGenerateOperator(task_id="generate", prompt="a cup of coffee", deferrable=True, defer_after=0)


one_deferred_wait()
