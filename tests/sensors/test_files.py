"""The file sensor: by exact name, or by a filter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from airflow_provider_grok.api import media
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators.files import GrokDeleteOperator
from airflow_provider_grok.sandbox.server import Sandbox
from airflow_provider_grok.sensors.files import GrokFileSensor
from tests.airflow_task import TaskRun, connect, picture

Store = Callable[..., str]


def sensor(**arguments: Any) -> TaskRun:
    return TaskRun(GrokFileSensor, task_id="wait", **arguments)


def test_a_name_is_waited_for_and_its_newest_file_returned(sandbox: Sandbox, store: Store) -> None:
    store("hero.png")
    newest = store("hero.png", shade=1)
    store("hero.png.bak.png")
    assert sensor(filename="hero.png").execute() == newest


def test_a_filter_is_waited_for_and_all_of_its_files_returned_oldest_first(sandbox: Sandbox, store: Store) -> None:
    first, _, third = store("a.png"), store("b.jpg"), store("c.png")
    assert sensor(filter='content_type = "image/png"').execute() == [first, third]


def test_the_upload_of_a_file_is_found_by_the_files_name(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    store("hero.0123456789ab.jpg")
    store("superhero.0123456789ab.png", shade=1)
    assert not sensor(filename="hero.png").fresh().poke({}).is_done
    uploaded = GrokHook().upload(picture(tmp_path / "hero.png"))
    assert sensor(filename="hero.png").execute() == uploaded
    newest = store("hero.png", shade=2)
    assert sensor(filename="hero.png").execute() == newest


def test_a_filter_that_finds_one_file_gives_what_an_image_argument_takes(sandbox: Sandbox, store: Store) -> None:
    file_id = store("a.png")
    found = sensor(filter='content_type = "image/png"').execute()
    assert found == file_id
    assert media.source(found) == {"file_id": file_id}


def test_a_filter_that_finds_one_file_gives_a_list_where_a_task_is_mapped_over_it(
    sandbox: Sandbox, store: Store
) -> None:
    file_id = store("a.png")
    with DAG("shop", schedule=None):
        wait = GrokFileSensor(task_id="wait", filter='content_type = "image/png"')
        GrokDeleteOperator.partial(task_id="delete").expand(file=wait.output)
    assert wait.poke({}).xcom_value == [file_id]


@pytest.mark.parametrize("arguments", [{"filename": "hero.png"}, {"filter": "public_url != null"}])
def test_a_look_that_finds_nothing_goes_on_waiting(sandbox: Sandbox, store: Store, arguments: dict[str, str]) -> None:
    store("hero.png.jpg")
    run = sensor(**arguments)
    assert not run.fresh().poke(run.context).is_done


def test_a_long_wait_can_be_rescheduled(sandbox: Sandbox) -> None:
    run = sensor(filename="hero.png", mode="reschedule", poke_interval=60)
    run.ti.get_first_reschedule_date = lambda context: None  # type: ignore[attr-defined]
    with pytest.raises(AirflowRescheduleException):
        run.execute()


@pytest.mark.parametrize("arguments", [{}, {"filename": "a", "filter": "b"}, {"filename": "", "filter": "None"}])
def test_exactly_one_of_name_and_filter_is_needed(sandbox: Sandbox, arguments: dict[str, str]) -> None:
    with pytest.raises(AirflowFailException, match="give exactly one of them"):
        sensor(**arguments).execute()
    assert sandbox.journal == []


def test_a_filter_that_the_server_cannot_read_is_not_tried_again(sandbox: Sandbox) -> None:
    with pytest.raises(AirflowFailException, match="Invalid filter"):
        sensor(filter="name =").execute()


def test_a_wrong_key_is_not_tried_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox, password="xai-a-key-of-yesterday")
    with pytest.raises(AirflowFailException, match="Check the API key"):
        sensor(filename="hero.png").execute()


def test_the_sensor_can_be_mapped() -> None:
    with DAG("shop", schedule=None):
        GrokFileSensor.partial(task_id="wait", poke_interval=5).expand(filename=["a.png", "b.png"])
