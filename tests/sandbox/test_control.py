"""The control interface: for this machine, without a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_provider_grok.sandbox.host_guard import is_local
from airflow_provider_grok.sandbox.server import Sandbox


def test_health_is_ok(passer_by: httpx.Client, root: str) -> None:
    assert passer_by.get(f"{root}/_sandbox/health").json() == {"status": "ok"}


def test_the_clock_is_moved_and_sped_up(sandbox: Sandbox, passer_by: httpx.Client, root: str) -> None:
    before = passer_by.get(f"{root}/_sandbox/clock").json()
    assert before["rate"] == 1
    passer_by.post(f"{root}/_sandbox/clock", json={"rate": 0})
    after = passer_by.post(f"{root}/_sandbox/clock", json={"advance": 86_400}).json()
    assert after["rate"] == 0
    assert after["now"] == pytest.approx(before["now"] + 86_400, abs=5)
    assert after["now"] == sandbox.clock.now()


TOO_LARGE = [{"advance": 10**400}, {"advance": 1e300}, {"rate": 1e9}]


@pytest.mark.parametrize(
    "order", [{"advance": -1}, {"advance": "1"}, {"rate": True}, {"jump": 1}, [], {"rate": -1}, *TOO_LARGE]
)
def test_a_clock_order_that_means_nothing_is_refused(passer_by: httpx.Client, root: str, order: Any) -> None:
    refused = passer_by.post(f"{root}/_sandbox/clock", json=order)
    assert refused.status_code == 400
    assert refused.json()["error"]


def test_faults_are_ordered_listed_and_withdrawn(client: httpx.Client, passer_by: httpx.Client, root: str) -> None:
    order = {"method": "GET", "path": "/v1/me", "skip": 0, "times": 1, "action": {"status": 529}}
    made = passer_by.post(f"{root}/_sandbox/faults", json=order).json()
    assert made == {**order, "hits": 0}
    assert passer_by.get(f"{root}/_sandbox/faults").json() == {"faults": [made]}
    assert client.get("/me").status_code == 529
    assert passer_by.delete(f"{root}/_sandbox/faults").json() == {"faults": []}
    assert passer_by.post(f"{root}/_sandbox/faults", json={"action": {"nonsense": 1}}).status_code == 400


def test_journal_and_ledger_are_the_same_over_the_wire(
    sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client, root: str
) -> None:
    client.post("/images/generations", json={"prompt": "x", "model": "grok-imagine-image"})
    assert passer_by.get(f"{root}/_sandbox/journal").json() == {"requests": sandbox.journal}
    ledger = passer_by.get(f"{root}/_sandbox/ledger").json()
    assert ledger == {"charges": sandbox.ledger.charges, "total_ticks": 200_000_000}


def test_reset_empties_everything(
    sandbox: Sandbox, client: httpx.Client, passer_by: httpx.Client, root: str, upload: Callable[..., str]
) -> None:
    upload()
    deferred = {"prompt": "x", "model": "grok-imagine-image", "deferred": True}
    request_id = client.post("/images/generations", json=deferred).json()["request_id"]
    sandbox.faults.add({"action": {"status": 500}, "skip": 99})
    sandbox.clock.advance(1e6)
    assert passer_by.post(f"{root}/_sandbox/reset").json() == {"status": "ok"}
    assert (sandbox.journal, sandbox.ledger.charges, sandbox.faults.list) == ([], [], [])
    assert client.get("/files").json()["data"] == []
    assert client.get(f"/images/{request_id}").status_code == 404
    assert list(sandbox.backend.store.blobs.iterdir()) == []


def test_ids_begin_again_after_a_reset(passer_by: httpx.Client, root: str, upload: Callable[..., str]) -> None:
    first = upload()
    passer_by.post(f"{root}/_sandbox/reset")
    assert upload() == first


@pytest.mark.parametrize("path", ["/", "/_sandbox/health", "/_sandbox/reset"])
def test_foreign_names_and_pages_are_refused(passer_by: httpx.Client, root: str, path: str) -> None:
    method = "POST" if path.endswith("reset") else "GET"
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert passer_by.request(method, f"{root}{path}", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("localhost:8642", True),
        ("LOCALHOST.", True),
        ("grok.localhost:1", True),
        ("127.0.0.1:80", True),
        ("127.9.9.9", True),
        ("[::1]:80", True),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_this_machine_is_known_by_name_and_address(host: str, local: bool) -> None:
    assert is_local(host) is local
