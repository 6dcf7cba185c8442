"""Tasks that people meddle with: cleared, marked, changed and run again; what they ask for is in the run's conf.

`case` names the run and its files; `prompt`, `reuse` and `timeout` are optional. The variable `wish_<case>` changes the
prompt of a run that exists.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image
from airflow_provider_grok.operators.images import GrokImagineGenerateOperator

CASE = "{{ dag_run.conf['case'] }}"
PROMPT = "{{ dag_run.conf.get('prompt', dag_run.conf['case']) }}"
WISH = "{{ var.value.get('wish_' ~ dag_run.conf['case'], 'in blue') }}"
TERMS: dict[str, Any] = {
    "task_id": "work",
    "filename": f"{CASE}.jpg",
    "reuse": "{{ dag_run.conf.get('reuse', 'run') }}",
    "timeout": "{{ dag_run.conf.get('timeout', 900) }}",
}
VIEWS = ["front", "side", "back"]
# Clearing allows one more try. Where the cleared process is found dead before it was stopped, Airflow calls that try a
# retry, which waits five minutes unless told otherwise.
DAG_TERMS: dict[str, Any] = {
    "schedule": None,
    "max_active_runs": 64,
    "default_args": {"retry_delay": timedelta(seconds=1)},
}

with DAG("people_wait", **DAG_TERMS):
    GrokImagineGenerateOperator(prompt=f"{PROMPT} {WISH}", deferrable=True, defer_after=0, **TERMS)

with DAG("people_hold", **DAG_TERMS):
    GrokImagineGenerateOperator(prompt=f"{PROMPT} {WISH}", deferrable=False, **TERMS)

with DAG("people_map", **DAG_TERMS):
    views = [f"{PROMPT} {view}" for view in VIEWS]
    GrokImagineGenerateOperator.partial(deferrable=True, defer_after=0, **TERMS).expand(prompt=views)

with DAG("people_batch", **DAG_TERMS):
    batch = GrokBatchOperator(
        task_id="batch", name=CASE, requests=[generate_image(f"{CASE}-{view}", prompt=f"{view} view") for view in VIEWS]
    )
    _ = batch >> GrokPersistOperator(task_id="work", batch_id="{{ ti.xcom_pull('batch') }}", deferrable=True)
