"""The review step: a person sees the pictures and decides, through Airflow's own REST API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "review.py"
APPROVAL = "/api/v2/dags/review/dagRuns/~/hitlDetails"


@pytest.fixture
def airflow_api(airflow_database: None) -> TestClient:
    """Airflow's REST API in this process, for everybody an admin."""
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    return TestClient(create_app(apps="core"))


@contextmanager
def reviewer(api: TestClient, choice: str) -> Iterator[list[dict[str, Any]]]:
    """One at Airflow's page of required actions, who waits for a question and answers it; yields what was asked."""
    seen: list[dict[str, Any]] = []
    over = threading.Event()

    def decide() -> None:
        while not over.wait(0.2):
            asked = api.get(APPROVAL, params={"response_received": False, "state": "awaiting_input"}).json()
            for detail in asked["hitl_details"]:
                ti = detail["task_instance"]
                place = f"/api/v2/dags/review/dagRuns/{ti['dag_run_id']}/taskInstances/approve/-1/hitlDetails"
                api.patch(place, json={"chosen_options": [choice], "params_input": {}}).raise_for_status()
                seen.append(detail)
                return

    person = threading.Thread(target=decide)
    person.start()
    try:
        yield seen
    finally:
        over.set()
        person.join()


@pytest.mark.parametrize("choice", ["Approve", "Reject"])
def test_the_reviewer_sees_the_pictures_and_only_a_yes_publishes_them(
    run_dag: RunDag, airflow_api: TestClient, choice: str
) -> None:
    with reviewer(airflow_api, choice) as questions:
        run = run_dag(FILE)
    assert run.state == "success"
    previews = run.xcom("preview")
    (question,) = questions
    assert all(link in question["body"] for link in previews)
    approved = choice == "Approve"
    assert run.states["publish"] == ("success" if approved else "skipped")
    run_dag.sandbox.clock.advance(3 * 24 * 3600)
    statuses = {httpx.get(link, trust_env=False).status_code for link in previews}
    assert statuses == {200 if approved else 404}, "what nobody approved is gone after two days"
    assert run.xcom("publish") == (previews if approved else None)
