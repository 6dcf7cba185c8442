"""What real tasks push to XCom is what the gallery reads: a chain, links that come and go, and a batch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest
from airflow.sdk import DAG

from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, edit_image
from airflow_provider_grok.operators.files import (
    GrokDeleteOperator,
    GrokShareOperator,
    GrokUnshareOperator,
    GrokUploadOperator,
)
from airflow_provider_grok.operators.images import GrokImagineEditOperator
from airflow_provider_grok.ui import pages
from airflow_provider_grok.ui.previews import Previews

if TYPE_CHECKING:
    from tests.dag_run import RunDag

pytestmark = pytest.mark.usefixtures("database")
PHOTO = Path(__file__).parents[2] / "example_dags" / "photos" / "coffee.png"


def cards(client: httpx.Client, dag_id: str, run_id: str) -> list[str]:
    """The results on the page of a run."""
    answer = client.get(f"/grok/gallery/dags/{dag_id}/run/{quote(run_id)}")
    assert answer.status_code == 200
    return answer.text.split('<article class="card')[1:]


def test_a_chain_is_seen_with_links_that_were_given_and_taken(
    boss: httpx.Client, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__GROK__GALLERY_MEDIA_HOSTS", run_dag.sandbox.url.removesuffix("/v1"))
    with DAG("seen_chain") as dag:
        upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
        first = GrokImagineEditOperator(task_id="first", image=upload.output, prompt="in red")
        second = GrokImagineEditOperator(task_id="second", image=first.output, prompt="in blue", share=True)
        third = GrokImagineEditOperator(task_id="third", image=second.output, prompt="in green")
        share = GrokShareOperator(task_id="share", file=first.output)
        unshare = GrokUnshareOperator(task_id="unshare", file=second.output)
        delete = GrokDeleteOperator(task_id="delete", file=third.output)
        third >> share >> unshare >> delete
    run = run_dag(dag)
    assert run.state == "success"
    one, two, three = cards(boss, "seen_chain", run.run_id)
    link = run.xcom("share")
    assert f'data-link="{link}"' in one
    assert 'data-link=""' in two
    assert "No public link" in two
    assert "Deleted by task delete." in three
    assert re.findall(r"</span>(\w+)</li>", three) == ["photo", "edit", "edit"]
    assert ["0.0700 USD" in card for card in (one, two, three)] == [True] * 3
    page = boss.get("/grok/spend?by=task").text
    assert "<strong>0.2100 USD</strong>" in page
    assert "seen_chain.share" not in page


@pytest.mark.parametrize("previews", [False, True], ids=["by list", "by manifest"])
def test_a_batch_is_seen(boss: httpx.Client, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, previews: bool) -> None:
    monkeypatch.setenv("AIRFLOW__GROK__GALLERY_MEDIA_HOSTS", run_dag.sandbox.url.removesuffix("/v1"))
    monkeypatch.setenv("AIRFLOW__GROK__GALLERY_PREVIEW_CONN_IDS", "grok_default" if previews else "")
    monkeypatch.setattr(pages, "_previews", Previews())
    with DAG("seen_batch") as dag:
        upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
        looks = [edit_image(f"look-{name}", prompt=f"in {name}", image=upload.output) for name in ("red", "blue")]
        submit = GrokBatchOperator(task_id="submit", requests=looks)
        GrokPersistOperator(task_id="persist", batch_id=submit.output, share=not previews)
    run = run_dag(dag)
    assert run.state == "success"
    *found, photo = cards(boss, "seen_batch", run.run_id)
    assert run.xcom("upload") in photo, "nothing in XCom tells that the batch was made of it"
    ids = run.xcom("persist")
    assert [file_id in card for file_id, card in zip(ids, found, strict=True)] == [True, True]
    if previews:
        assert ["look-red" in found[0], "look-blue" in found[1]] == [True, True]
        for card in found:
            (source,) = re.findall(r'data-src="([^"]+)"', card)
            assert boss.get(source).headers["content-type"] in ("image/png", "image/jpeg")
    else:
        links = run.xcom("persist", "public_url")
        assert [f'data-src="{link}"' in card for link, card in zip(links, found, strict=True)] == [True, True]
    assert "under way: 0 " in boss.get("/grok/spend").text.replace("</span>", " ")
