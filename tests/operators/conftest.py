"""Fixtures of the operators' tests."""

from tests.airflow_task import one_sandbox as one_sandbox
from tests.airflow_task import sandbox as sandbox
from tests.airflow_task import slow as slow
from tests.airflow_task import store as store
from tests.airflow_task import time as time
from tests.airflow_task import unused as unused
from tests.airflow_task import web_page as web_page
from tests.batch_run import memory as memory
from tests.batch_run import settle as settle
from tests.object_storage import storage as storage
from tests.object_storage import storage_server as storage_server
