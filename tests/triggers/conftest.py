"""Fixtures of the triggers' tests."""

from tests.airflow_task import one_sandbox as one_sandbox
from tests.airflow_task import sandbox as sandbox
from tests.airflow_task import slow as slow
from tests.airflow_task import store as store
from tests.airflow_task import time as time
from tests.batch_run import settle as settle
