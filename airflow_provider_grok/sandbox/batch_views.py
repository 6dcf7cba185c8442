"""How batches, their requests and their results are shown (docs.x.ai, Batch API)."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from typing import Any

from airflow_provider_grok.sandbox import assets, images, team
from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.jobs import Job
from airflow_provider_grok.sandbox.video_bodies import EXTENSIONS

# google.rpc codes, as they stand in results.
NUMBERS = {
    "cancelled": 1,
    "invalid_argument": 3,
    "deadline_exceeded": 4,
    "permission_denied": 7,
    "failed_precondition": 9,
    "internal_error": 13,
    "service_unavailable": 14,
}
STATES = {"pending": "pending", "done": "succeeded", "failed": "failed", "cancelled": "cancelled"}
COUNTERS = {"pending": "num_pending", "done": "num_success", "failed": "num_error", "cancelled": "num_cancelled"}


def spell(moment: float | None) -> str | None:
    """Return a time as batches do: the bare date."""
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc).date().isoformat()


def describe(backend: Backend, batches: list[sqlite3.Row]) -> list[dict[str, Any]]:
    """Return batches as the API shows them."""
    marks = ", ".join("?" * len(batches))
    sql = (
        "SELECT batch_id, endpoint, state, count(*) AS n,"  # noqa: S608
        " coalesce(sum(json_extract(result, '$.usage.cost_in_usd_ticks')), 0) AS ticks"
        f" FROM jobs WHERE batch_id IN ({marks}) GROUP BY batch_id, endpoint, state"
    )
    tallies: dict[str, list[sqlite3.Row]] = {batch["id"]: [] for batch in batches}
    for row in backend.store.rows(sql, *tallies):
        tallies[row["batch_id"]].append(row)
    now = backend.clock.now()
    return [shown(batch, tallies[batch["id"]], now) for batch in batches]


def shown(batch: sqlite3.Row, tally: list[sqlite3.Row], now: float) -> dict[str, Any]:
    """Return a batch as the API shows it; while its file loads it looks empty."""
    loading = now < batch["loaded_at"]
    if loading:
        tally = []
    # A file that is refused shows as such once it has been read; a person's cancel shows at once.
    refused_later = loading and batch["message"] is not None
    return {
        "batch_id": batch["id"],
        "name": batch["name"],
        "create_time": spell(batch["created_at"]),
        "expire_time": spell(batch["expires_at"]),
        "create_api_key_id": team.KEY_ID,
        "cancel_time": None if refused_later else spell(batch["cancelled_at"]),
        "cancel_by_xai_message": None if refused_later else batch["message"],
        "state": counters(tally),
        "cost_breakdown": costs(tally, now),
        "input_file_id": batch["input_file_id"],
    }


def counters(tally: list[sqlite3.Row]) -> dict[str, int]:
    """Return how many requests are where; they always add up."""
    counts = dict.fromkeys(("num_requests", *COUNTERS.values()), 0)
    for row in tally:
        counts["num_requests"] += row["n"]
        counts[COUNTERS[row["state"]]] += row["n"]
    return counts


def costs(tally: list[sqlite3.Row], now: float) -> dict[str, Any]:
    """Return what a batch has cost so far, by endpoint."""
    billed: dict[str, dict[str, Any]] = {}
    for row in tally:
        name = spelled_endpoint(row["endpoint"])
        entry = billed.setdefault(name, {"endpoint": name, "cost_usd_ticks": 0, "request_count": 0})
        entry["cost_usd_ticks"] += row["ticks"]
        entry["request_count"] += row["n"]
    return {
        "total_cost_usd_ticks": sum(row["ticks"] for row in tally),
        "endpoint_costs": list(billed.values()),
        "calculation_time": datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds"),
    }


def spelled_endpoint(path: str) -> str:
    """Return an endpoint by its name in gRPC, as batches give it."""
    if path in (images.GENERATIONS, images.EDITS):
        return "xai_api.Image/GenerateImage"
    return "xai_api.Video/ExtendVideo" if path == EXTENSIONS else "xai_api.Video/GenerateVideo"


def metadata(job: Job) -> dict[str, Any]:
    """Return a request as the list of requests shows it."""
    return {
        "batch_request_id": job.request["batch_request_id"],
        "endpoint": spelled_endpoint(job.endpoint),
        "model": job.model,
        "state": STATES[job.state],
        "create_time": spell(job.created_at),
        "finish_time": None if job.state in ("pending", "cancelled") else spell(job.ready_at),
    }


def result(job: Job, backend: Backend, base: str) -> dict[str, Any]:
    """Return the result of a request that has ended."""
    name = job.request["batch_request_id"]
    if job.state == "failed":
        return {"batch_request_id": name} | failure(job)
    key = f"{job.kind}_generation"
    response = assets.present(job.result, base, backend.store)
    return {"batch_request_id": name, "batch_result": {"response": {key: response}}}


def failure(job: Job) -> dict[str, Any]:
    """Return a failed result in the form that a fault orders: an object by default, a text, or a message on top."""
    error = (job.result or {})["error"]
    message = error["message"]
    if error["code"] == "deadline_exceeded":
        message = "The batch expired before this request was processed."
    form = job.script.get("shape", "object")
    if form == "top":
        return {"error_message": message}
    return {
        "batch_result": {"error": message if form == "text" else {"code": number_of(error["code"]), "message": message}}
    }


def number_of(code: str) -> int:
    """Return an error code as a number; 2 stands for an unknown one."""
    return NUMBERS.get(code, 2)
