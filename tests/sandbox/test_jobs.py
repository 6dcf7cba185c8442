"""Jobs: progress by the clock, ends in due order, failures on order."""

from __future__ import annotations

import httpx
import pytest

from airflow_provider_grok.sandbox.jobs import Job, scripted_failure
from airflow_provider_grok.sandbox.server import Sandbox


def job(**fields: object) -> Job:
    basis: dict[str, object] = {"id": "1", "kind": "image", "endpoint": "/", "model": "m", "ticks": 5, "request": {}}
    return Job(**(basis | {"created_at": 100.0, "ready_at": 110.0} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(("now", "percent"), [(99, 0), (100, 0), (105, 50), (109.999, 99), (200, 99)])
def test_a_running_job_is_never_quite_done(now: float, percent: int) -> None:
    assert job().progress(now) == percent


def test_an_ended_job_is_at_a_hundred() -> None:
    assert job(state="failed").progress(0) == 100


def test_a_moderated_job_was_billed_and_a_failed_one_not() -> None:
    moderated, failed = scripted_failure(job(script={"moderate": True})), scripted_failure(job(script={"fail": "x"}))
    assert moderated is not None
    assert moderated["usage"] == {"cost_in_usd_ticks": 5}
    assert failed is not None
    assert (failed["error"]["code"], "usage" in failed) == ("x", False)
    assert scripted_failure(job(script={"moderate": "placeholder"})) is None


def test_jobs_are_stored_in_the_order_of_their_ends(sandbox: Sandbox, client: httpx.Client) -> None:
    for number in range(3):
        options = {"filename": f"{number}.jpg"}
        body = {"prompt": "x", "model": "grok-imagine-image", "deferred": True, "storage_options": options}
        assert client.post("/images/generations", json=body).status_code == 200
        sandbox.clock.advance(1)
    listed = client.get("/files", params={"order": "asc"}).json()["data"]
    assert [file["filename"] for file in listed] == ["0.jpg", "1.jpg", "2.jpg"]
    assert len({file["created_at"] for file in listed}) == 3, "each was made when its job ended, not when we looked"


def test_a_source_that_breaks_while_it_is_painted_fails_the_job_alone(
    sandbox: Sandbox, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object, **__: object) -> bytes:
        raise RuntimeError("no paint")

    monkeypatch.setattr("airflow_provider_grok.sandbox.draw.generate", burst)
    body = {"prompt": "x", "model": "grok-imagine-image", "deferred": True}
    request_id = client.post("/images/generations", json=body).json()["request_id"]
    sandbox.clock.advance(1)
    failed = client.get(f"/images/{request_id}").json()
    assert (failed["status"], failed["error"]["code"]) == ("failed", "internal_error")
    assert client.get("/files").status_code == 200


def test_a_job_that_cannot_be_published_fails_alone(
    sandbox: Sandbox, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object, **__: object) -> str:
        raise RuntimeError("no room")

    body = {"prompt": "x", "model": "grok-imagine-image", "deferred": True, "storage_options": {"filename": "a.jpg"}}
    request_id = client.post("/images/generations", json=body).json()["request_id"]
    monkeypatch.setattr("airflow_provider_grok.sandbox.files.add", burst)
    sandbox.clock.advance(1)
    assert client.get("/files").status_code == 200
    failed = client.get(f"/images/{request_id}").json()
    assert (failed["status"], failed["error"]["code"]) == ("failed", "internal_error")
