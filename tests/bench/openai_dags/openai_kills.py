"""A task of apache-airflow-providers-openai's batch operator that dies once, where its run's conf says."""

from __future__ import annotations

import datetime
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from airflow.providers.openai.operators.openai import OpenAITriggerBatchOperator  # type: ignore[import-not-found]
from airflow.sdk import DAG


def plant(context: Any) -> None:
    """Wrap the function at which the task is to die."""
    conf = context["dag_run"].conf
    mark = Path(conf["marks"]) / conf["case"]
    deaths: dict[str, tuple[Any, str, Callable[..., bool], bool]] = {
        "before-intent": (httpx.Client, "send", _submits, False),
        "answer-unread": (httpx.Client, "send", _submits, True),
        "id-recorded": (OpenAITriggerBatchOperator, "defer", _always, False),
        "event-seen": (OpenAITriggerBatchOperator, "execute_complete", _always, False),
        "done": (OpenAITriggerBatchOperator, "execute_complete", _always, True),
    }
    if conf["point"] in deaths:
        _wrap(*deaths[conf["point"]], mark)


def _wrap(owner: Any, method: str, when: Callable[..., bool], after: bool, mark: Path) -> None:
    original = getattr(owner, method)

    def mortal(*args: Any, **kwargs: Any) -> Any:
        if not after and when(*args):
            _die(mark)
        value = original(*args, **kwargs)
        if after and when(*args):
            _die(mark)
        return value

    setattr(owner, method, mortal)


def _always(*_: Any) -> bool:
    return True


def _submits(_: httpx.Client, request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/batches")


def _die(mark: Path) -> None:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


ARGUMENTS = {"retries": 3, "retry_delay": datetime.timedelta(seconds=1)}

with DAG("openai_kills", schedule=None, max_active_runs=6, default_args=ARGUMENTS):
    OpenAITriggerBatchOperator(
        task_id="work",
        file_id="file-{{ dag_run.conf['case'] }}",
        endpoint="/v1/responses",
        deferrable=True,
        poll_interval=2,
        pre_execute=plant,
    )
