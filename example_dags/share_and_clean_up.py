"""A link that ends, and a storage that is tidied: share a picture for a day, withdraw the link, delete the picture.

Cost: 1 edit at $0.07 (grok-imagine-image-2.0, medium, 1k, one source). Links, downloads and deletions are free.

Where the picture is: in the param `archive`, a folder or an object storage; at xAI only the uploaded photo stays.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_grok.operators.files import (
    GrokDeleteOperator,
    GrokDownloadOperator,
    GrokShareOperator,
    GrokUnshareOperator,
    GrokUploadOperator,
)
from airflow_provider_grok.operators.images import GrokImagineEditOperator

PHOTO = Path(__file__).parent / "photos" / "coffee.png"

with DAG(
    "share_and_clean_up",
    description="A picture is shared for a day, archived, withdrawn and deleted",
    schedule=None,
    params={
        "archive": Param(
            f"{Path.home()}/grok-archive/",
            type="string",
            pattern="/$",
            description="Folder or object storage; it ends with a slash.",
        )
    },
    tags=["grok"],
    doc_md=__doc__,
):
    upload = GrokUploadOperator(task_id="upload", source=str(PHOTO))
    edit = GrokImagineEditOperator(task_id="edit", image=upload.output, prompt="as a postcard from the seaside")

    # The link dies after a day, even if nothing below ever runs.
    share = GrokShareOperator(task_id="share", file=edit.output, expires_after=timedelta(days=1))
    archive = GrokDownloadOperator(task_id="archive", file=edit.output, destination="{{ params.archive }}")

    # What was copied need not stay. The upload stays: other DAGs may use the same photo.
    unshare = GrokUnshareOperator(task_id="unshare", file=edit.output)
    delete = GrokDeleteOperator(task_id="delete", file=edit.output)

    [share, archive] >> unshare >> delete
