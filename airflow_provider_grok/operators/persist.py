"""The operator that waits for a batch and keeps every result while it runs; imported from `operators.batches`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf

from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.links import GrokConsoleLink, GrokPublicLink
from airflow_provider_grok.operators.base import GrokOperator, receipt
from airflow_provider_grok.operators.values import given

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context, XComArg

    from airflow_provider_grok.flows.batches.persist import Persisting
    from airflow_provider_grok.flows.batches.persist_result import PersistResult
    from airflow_provider_grok.flows.purchases.options import PurchaseOptions

    Duration = timedelta | float | str


class GrokPersistOperator(GrokOperator):
    """Wait for a batch and keep every result while it runs; returns ids (or URLs) in request order, without holes.

    Links in batch results die after one hour, so never put a sensor in front of it. What the server stored itself is
    not copied; everything else is streamed, its length, kind and SHA-256 checked and recorded. Progress is remembered:
    a retry copies only what is missing (docs.x.ai, Batch API: results).

    Pushes `receipt` (counts), `manifest` (id or URL of a JSONL with one row per request) and, if asked, `public_url`,
    all before the task fails.

    :param batch_id: the batch.
    :param destination: folder in an object storage that Airflow knows, or on the worker; None: xAI Files.
    :param min_success: share of the requests, 0 to 1, that must be kept for the task to succeed; none kept always
        fails.
    :param max_concurrency: how many results are copied at a time.
    :param expires_after: life of the stored copies: timedelta, seconds or text of seconds, 1 hour to 30 days; None: the
        connection's default, else no end.
    :param expires_at: their end instead: aware datetime or ISO text.
    :param share: whether to make a public link of each: True (7 days, or as long as the file), or its life.
    :param deferrable: wait in the triggerer, not on a worker; default: Airflow's `[operators] default_deferrable`.
    :param timeout: how long to wait for the batch, from the first try: timedelta or seconds.
    :param poll_interval: seconds between two polls; None: by the batch's age, 5 to 60.
    """

    template_fields = (
        *GrokOperator.template_fields,
        "batch_id",
        "destination",
        "min_success",
        "max_concurrency",
        "expires_after",
        "expires_at",
        "share",
        "timeout",
        "poll_interval",
    )
    operator_extra_links = (GrokPublicLink(), GrokConsoleLink())
    ui_color = "#c9daf8"

    def __init__(
        self,
        *,
        batch_id: str | XComArg,
        destination: str | None = None,
        min_success: float | str = 0.0,
        max_concurrency: int | str = 16,
        expires_after: Duration | None = None,
        expires_at: datetime | str | None = None,
        share: bool | Duration = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        timeout: Duration = timedelta(hours=25),
        poll_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.destination = destination
        self.min_success = min_success
        self.max_concurrency = max_concurrency
        self.expires_after = expires_after
        self.expires_at = expires_at
        self.share = share
        self.deferrable = deferrable
        self.timeout = timeout
        self.poll_interval = poll_interval

    def execute(self, context: Context) -> Any:
        """Keep what is there; then wait, here or in the triggerer, and keep what comes, until the batch is over."""
        from airflow_provider_grok.api.errors import GrokError

        with translate_errors():
            persisting = self._persisting(context)
            try:
                self._wait(persisting)
            except GrokError:
                kept = persisting.partial_result()
                self._push(context, persisting, kept, return_value=kept.results())
                raise
            return self._deliver(context, persisting)

    def _wait(self, persisting: Persisting) -> None:
        while not persisting.step():
            if self.deferrable and persisting.is_waiting:
                self._defer(persisting)
            persisting.rest()

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None, **_: Any) -> Any:
        """Go on after the trigger saw something new.

        :param context: the task's context.
        :param event: what the trigger said.
        """
        from airflow_provider_grok.api.errors import GrokError

        if event and event.get("status") == "error":
            with translate_errors():
                raise GrokError(f"{event.get('message')} A retry goes on with what is missing.")
        return self.execute(context)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; where the trigger was lost or overdue, the batch itself is asked."""
        from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except (TaskDeferralTimeout, TaskDeferralError) as error:
            self.log.warning("The trigger did not come back (%s); asking for the batch itself.", error)
            return self.execute_complete(context, None)

    def on_kill(self) -> None:
        """Cancel the batch if the task was ended for good; where it will run again, the next try goes on with it."""
        from airflow_provider_grok.flows.batches.cancel import cancel_if_over
        from airflow_provider_grok.hooks.task import task_state

        ti = getattr(self, "_ti", None)
        cancel_if_over(self.hook, ti, str(self.batch_id).strip(), self.log, state_of=task_state)

    def _persisting(self, context: Context) -> Persisting:
        from airflow_provider_grok.api import validation
        from airflow_provider_grok.flows.batches.persist import Persisting
        from airflow_provider_grok.flows.purchases.options import PurchaseOptions

        self._ti: Any = context["ti"]
        from airflow_provider_grok.hooks.task import TaskStateStore

        store = TaskStateStore(context["task_state_store"])
        options: PurchaseOptions = PurchaseOptions.of(
            self.hook.settings,
            begun=store.get(Persisting.record_key) is not None,
            expires_after=self.expires_after,
            expires_at=self.expires_at,
            share=self.share,
            timeout=self.timeout,
            poll_interval=self.poll_interval,
        )
        return Persisting(
            self.hook.endpoint,
            validation.text(self.batch_id, "batch_id").strip(),
            store,
            destination=given(self.destination),
            max_concurrency=validation.whole(self.max_concurrency, "max_concurrency", 1, 1000),
            min_success=validation.share(self.min_success, "min_success"),
            options=options,
            link_yields=self.share is True or str(self.share).strip().lower() == "true",
            log=self.log,
        )

    def _defer(self, persisting: Persisting) -> None:
        from airflow_provider_grok.triggers.jobs import GrokJobTrigger

        trigger = GrokJobTrigger(grok_conn_id=self.grok_conn_id, cancel_on_kill=True, **persisting.wait())
        left = timedelta(seconds=persisting.seconds_left() + 60)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=left)

    def _deliver(self, context: Context, persisting: Persisting) -> list[str]:
        from airflow_provider_grok.api.errors import GrokError

        kept = persisting.conclude()
        try:
            kept.check()
        except GrokError:
            self._push(context, persisting, kept, return_value=kept.results())
            raise
        self._push(context, persisting, kept)
        return kept.results()

    def _push(self, context: Context, persisting: Persisting, kept: PersistResult, **more: Any) -> None:
        """Tell what was kept; a failed task returns nothing, so its value is among `more`."""
        self.push(context, receipt=receipt(**kept.receipt()), manifest=kept.manifest, **more)
        links = kept.public_urls()
        if persisting.options.link or any(links):
            self.push(context, public_url=links)
