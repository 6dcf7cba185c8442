"""The demo's table: one line a file, whole, whatever stands in it."""

from __future__ import annotations

from typing import Any

from airflow_provider_grok.demo.table import rows_of, table


def receipt(file_id: str, **changes: Any) -> dict[str, Any]:
    file = {"file_id": file_id, "filename": f"{file_id}.jpg", "public_url": None}
    usage = {"cost_in_usd_ticks": 700_000_000}
    return {
        "files": [file],
        "usage": usage,
        "request": {"sources": ["file_0"]},
        "request_id": f"r-{file_id}",
        **changes,
    }


def test_a_link_that_was_made_later_stands_with_its_file_and_no_cell_is_cut() -> None:
    link = "https://files-cdn.x.ai/" + "q" * 300 + ".jpg"
    shared = receipt("file_1")
    shared["files"][0]["public_url"] = link
    shared["usage"] = {"cost_in_usd_ticks": 0}
    entries = [{"task": "edit", "receipt": receipt("file_1")}, {"task": "share", "receipt": shared}]
    rows = rows_of(entries, {"edit": 1.25, "share": 9.0})
    assert [(row.task, row.link) for row in rows] == [("edit", link)]
    lines = table(rows).splitlines()
    assert lines[1].split() == ["edit", "file_1", "1.2", "$0.07", link]
    assert lines[2].split() == ["total", "1", "files", "1.2", "$0.07", "1", "links"]
