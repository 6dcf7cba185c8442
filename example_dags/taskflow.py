"""The same with `@task` and the hook: for what is easier written as Python than as operators.

Cost: 2 edits at $0.07 each (grok-imagine-image-2.0, medium, 1k, one source), $0.14 a run.

Worth knowing: the hook's methods keep the promise of the operators. A retry of `edit` buys only what is missing.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task

PHOTO = Path(__file__).parent / "photos" / "coffee.png"
LOOKS = {"slate": "on a dark slate table, low evening light", "snow": "in falling snow, steam rising from the cup"}


@dag(description="Upload, edit and share with @task and the hook", schedule=None, tags=["grok"], doc_md=__doc__)
def taskflow() -> None:
    """Upload, edit, share."""

    @task
    def upload() -> str:
        """Store the photo, once: only its id travels."""
        from airflow_provider_grok.hooks.grok import GrokHook  # here: parsing a DAG file should cost little

        return GrokHook().upload(str(PHOTO))

    @task(retries=2)
    def edit(photo: str) -> dict[str, str]:
        """Buy all looks in one task; a retry buys only those that are missing."""
        from airflow_provider_grok.hooks.grok import GrokHook

        hook = GrokHook()
        return {name: hook.edit(prompt=look, image=photo, max_cost_usd=0.40) for name, look in LOOKS.items()}

    @task
    def share(looks: dict[str, str]) -> dict[str, str]:
        """Give each a link for a day."""
        from airflow_provider_grok.hooks.grok import GrokHook

        hook = GrokHook()
        return {name: hook.share(file_id, expires_after=timedelta(days=1)) for name, file_id in looks.items()}

    share(edit(upload()))


taskflow()
