"""A try that had to leave something out leaves no manifest beside the last one."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, names
from tests.faults.errands import ROWS

LATER = {"status": 429, "headers": {"Retry-After": "120"}}


@pytest.mark.usefixtures("time")
@pytest.mark.parametrize("deletes", [True, False], ids=["deleted", "kept, for it cannot be deleted"])
def test_the_manifest_of_a_failed_try_is_replaced(sandbox: Sandbox, time: Time, deletes: bool) -> None:
    batch_id = TaskRun(GrokBatchOperator, task_id="batch", requests=ROWS).execute()
    sandbox.clock.advance(60)
    persist = TaskRun(GrokPersistOperator, task_id="keep", batch_id=batch_id, share=True)
    sandbox.faults.add({"method": "POST", "path": "/v1/files/*/public-url", "times": None, "action": LATER})
    with pytest.raises(AirflowException):
        persist.execute()
    first = persist.xcom["manifest"]
    sandbox.faults.clear()
    if not deletes:
        sandbox.faults.add({"method": "DELETE", "times": None, "action": {"status": 503}})
    persist.execute()
    assert persist.xcom["manifest"] != first
    assert len([name for name in names(sandbox) if name.endswith(".jsonl")]) == (1 if deletes else 2)
    assert all(persist.xcom["public_url"])
