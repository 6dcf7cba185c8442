"""A DAG without this provider: one deferred wait and one mapped task, to prove and to time the harness itself."""

from __future__ import annotations

import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync
from airflow.sdk import dag


@dag(schedule=None, catchup=False, default_args={"retries": 2, "retry_delay": datetime.timedelta(seconds=1)})
def plain_wait() -> None:
    """Wait eight seconds on the triggerer, then run a command three times."""
    soon = "{{ macros.datetime.now().astimezone() + macros.timedelta(seconds=8) }}"
    commands = ["echo one", "echo two", "sleep {{ dag_run.conf.get('sleep', 0) }}"]
    wait = DateTimeSensorAsync(task_id="wait", target_time=soon)
    _ = wait >> BashOperator.partial(task_id="run").expand(bash_command=commands)


plain_wait()
