"""A batch of a list that changes between two clears: as many rows as a file says, kept in place or deferred."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image


@task
def rows() -> list[dict[str, Any]]:
    """As many rows as the file that the run's conf names says."""
    conf = get_current_context()["dag_run"].conf or {}
    count = int(Path(conf["rows"]).read_text(encoding="utf-8"))
    return [generate_image(f"row-{number}", prompt=f"look {number}") for number in range(count)]


ARGUMENTS = {"retries": 2, "retry_delay": datetime.timedelta(seconds=1)}

for deferrable in (False, True):
    with DAG(f"changed_list{'_deferrable' if deferrable else ''}", schedule=None, default_args=ARGUMENTS):
        batch = GrokBatchOperator(task_id="batch", requests=rows())
        GrokPersistOperator(task_id="keep", batch_id=batch.output, deferrable=deferrable)
