"""A file that was stored just now may be a 404 for a while: it is asked for again, for a minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import errors, wire
from airflow_provider_grok.flows.files.settle import wait_for_file
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators.files import GrokDownloadOperator, GrokShareOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time

Store = Callable[..., str]
GONE = {"status": 404, "body": {"code": "not-found", "error": "File not found"}}


class Late:
    """Makes a file a 404 until a moment of the sandbox's clock."""

    def __init__(self, sandbox: Sandbox, time: Time, seconds: float) -> None:
        self.sandbox, self.end = sandbox, time.now() + seconds
        sandbox.faults.add({"path": "/v1/files/*", "times": None, "action": GONE})
        sleep = time.sleep

        def slept(duration: float) -> None:
            sleep(duration)
            if time.now() >= self.end:
                sandbox.faults.clear()

        time.sleep = slept  # type: ignore[method-assign,assignment]


@pytest.fixture
def late(sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def make(seconds: float) -> None:
        Late(sandbox, time, seconds)
        monkeypatch.setattr(wire.RealClock, "sleep", staticmethod(time.sleep))

    return make


def test_a_file_that_appears_within_a_minute_is_shared(
    sandbox: Sandbox, store: Store, late: Callable[[float], None]
) -> None:
    file_id = store()
    late(20)
    assert TaskRun(GrokShareOperator, task_id="share", file=file_id).execute().startswith("http")


def test_a_file_that_appears_within_a_minute_is_downloaded(
    sandbox: Sandbox, store: Store, tmp_path: Path, late: Callable[[float], None]
) -> None:
    file_id = store()
    late(20)
    run = TaskRun(GrokDownloadOperator, task_id="get", file=file_id, destination=f"{tmp_path}/out/")
    assert Path(run.execute()).read_bytes() == (tmp_path / "source.png").read_bytes()


def test_a_source_that_appears_within_a_minute_is_waited_for(
    sandbox: Sandbox, store: Store, late: Callable[[float], None]
) -> None:
    file_id = store()
    late(20)
    assert wire.run(GrokHook().endpoint, wait_for_file(file_id)).id == file_id


@pytest.mark.parametrize("count", [1, 5])
def test_files_that_are_gone_take_a_minute_together(sandbox: Sandbox, time: Time, count: int) -> None:
    began = time.now()
    acts: list[dict[str, Any]] = [{}, {"destination": "/tmp/x/"}]
    for act in acts:
        operator: Any = GrokDownloadOperator if act else GrokShareOperator
        with pytest.raises(Exception, match="file_gone0"):
            TaskRun(operator, task_id="x", file=[f"file_gone{n}" for n in range(count)], **act).execute()
    # Five downloads wait side by side, each in steps of its own on the one clock.
    assert 120 <= time.now() - began <= 130


def test_another_error_is_not_waited_for(sandbox: Sandbox, time: Time) -> None:
    sandbox.faults.add({"path": "/v1/files/*", "action": {"status": 400, "body": {"error": "no"}}})
    with pytest.raises(errors.ApiError, match="400"):
        wire.run(GrokHook().endpoint, wait_for_file("file_1"))
    assert time.slept == []
