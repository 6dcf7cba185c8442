"""The demo's proof: it notices what it is there to notice."""

from __future__ import annotations

from airflow_provider_grok.demo.table import Row
from airflow_provider_grok.demo.verification import check

ROW = Row(task="edit", file_id="file_1", filename="1.jpg", seconds=1.0, ticks=700_000_000, request_id="job-1")
UPLOAD = {"method": "POST", "path": "/v1/files", "request_bytes": 500_000, "json": None}
EDIT = {"method": "POST", "path": "/v1/images/edits", "request_bytes": 300, "json": {"image": {"file_id": "file_0"}}}
CHARGE = {"id": "job-1", "ticks": 700_000_000}


def test_one_upload_edits_by_id_and_a_charge_for_each_hold() -> None:
    assert [one.holds for one in check([ROW], [UPLOAD, EDIT], [CHARGE])] == [True, True, True]


def test_a_second_upload_a_picture_in_a_request_and_a_second_charge_are_noticed() -> None:
    carrying = EDIT | {"request_bytes": 600_000, "json": {"image": {"url": "data:image/png;base64,iVBO"}}}
    found = check([ROW], [UPLOAD, UPLOAD, carrying], [CHARGE, CHARGE])
    assert [one.holds for one in found] == [False, False, False]


def test_a_charge_for_another_job_is_noticed() -> None:
    assert [one.holds for one in check([ROW], [UPLOAD, EDIT], [CHARGE | {"id": "job-2"}])] == [True, True, False]


def test_a_run_that_edited_nothing_proves_nothing() -> None:
    assert [one.holds for one in check([], [UPLOAD], [])] == [True, False, False]
