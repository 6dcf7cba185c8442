"""A link with an end, a copy on disk, and a tidy storage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.dag_run import RunDag

FILE = Path(__file__).parents[2] / "example_dags" / "share_and_clean_up.py"


def test_what_was_copied_is_withdrawn_and_deleted_and_the_upload_stays(run_dag: RunDag, tmp_path: Path) -> None:
    run = run_dag(FILE, conf={"archive": f"{tmp_path}/archive/"})
    assert run.state == "success"
    photo, picture, link = run.xcom("upload"), run.xcom("edit"), run.xcom("share")
    (share,) = run.requests("POST", f"/v1/files/{picture}/public-url")
    assert share["json"] == {"expires_after": 86400}
    archived = Path(run.xcom("archive"))
    assert archived.parent == tmp_path / "archive"
    assert archived.read_bytes()[:3] == b"\xff\xd8\xff", "a JPEG"
    assert run.xcom("unshare") == run.xcom("delete") == picture
    assert httpx.get(link, trust_env=False).status_code == 404
    key = {"authorization": f"Bearer {run_dag.sandbox.api_key}"}
    files = httpx.get(f"{run_dag.sandbox.url}/files", headers=key, trust_env=False).json()["data"]
    assert [file["id"] for file in files] == [photo]
