"""What importing the package costs every Airflow process that reads a DAG: CPU over `airflow.sdk`, which is there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

#: CPU seconds that a module may cost over `airflow.sdk`.
BUDGET = 0.025
#: Of this many measurements the smallest counts: a busy machine only ever adds.
TRIES = 5

MODULES = [
    "airflow_provider_grok.operators.files",
    "airflow_provider_grok.operators.images",
    "airflow_provider_grok.operators.videos",
    "airflow_provider_grok.operators.batches",
    "airflow_provider_grok.sensors.files",
    "airflow_provider_grok.sensors.batches",
    "airflow_provider_grok.hooks.grok",
]
#: What is loaded only when a task runs, or never by Airflow.
LATE = {"airflow_provider_grok.api.wire", "airflow_provider_grok.triggers.jobs", "PIL", "starlette.applications", "av"}

CODE = """
import sys, time
import airflow.sdk
airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator, airflow.sdk.BaseHook
airflow.sdk.BaseOperatorLink, airflow.sdk.PokeReturnValue, airflow.sdk.conf
before, began = set(sys.modules), time.process_time()
import {module}
print(time.process_time() - began, *(set(sys.modules) - before))
"""


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_module_costs_a_few_milliseconds_and_loads_nothing_heavy(
    module: str, record_property: Callable[[str, object], None]
) -> None:
    costs = []
    for _ in range(TRIES):
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(module=module)], capture_output=True, text=True, check=True
        )
        cost, *loaded = done.stdout.split()
        costs.append(float(cost))
        assert not LATE & set(loaded)
    record_property("cpu_seconds", min(costs))
    print(f"{module}: {min(costs) * 1000:.1f} ms")
    assert min(costs) < BUDGET
