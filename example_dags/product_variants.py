"""Every photo in every style: mapping over two lists makes one task for each pair.

Cost: 2 photos x 3 styles = 6 edits at $0.07 each (grok-imagine-image-2.0, medium, 1k, one source), $0.42 a run.

What to change: the photos and the styles. Each pair is a task of its own, which can be repeated by itself.
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator

PHOTOS = [str(Path(__file__).parent / "photos" / name) for name in ("coffee.png", "chelsea.png")]
STYLES = [
    "as a photograph in a bright studio",
    "as a watercolour on rough paper",
    "as a flat poster illustration in three colours",
]

with DAG(
    "product_variants",
    description="Two photos in three styles: one mapped task for each pair",
    schedule=None,
    max_active_tasks=8,
    tags=["grok"],
    doc_md=__doc__,
):
    # A list in, a list of file ids out.
    upload = GrokUploadOperator(task_id="upload", source=PHOTOS)

    # A picture that the content rules refuse is skipped; the others go on.
    GrokImagineEditOperator.partial(
        task_id="variant",
        on_moderated="skip",
        expires_after="2592000",  # 30 days: nobody has to tidy up
        share=True,
        map_index_template="{{ task.image }}: {{ task.prompt }}",
    ).expand(image=upload.output, prompt=STYLES)
