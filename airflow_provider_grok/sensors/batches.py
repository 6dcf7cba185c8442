"""A sensor for batches: waits until one is over, whatever its end, and says how far it is."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf

from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.links import GrokConsoleLink

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_grok.api.batches import Batch


class GrokBatchSensor(BaseSensorOperator):
    """Wait until a batch is over; any end is success. Returns its counts.

    It is for waiting only: links in batch results die after one hour, so to keep results let `GrokPersistOperator`
    follow the batch directly, which waits by itself. Airflow's own `timeout` and `poke_interval` (seconds), modes
    `poke` and `reschedule`, and `soft_fail` apply (docs.x.ai, Batch API).

    :param batch_id: the batch.
    :param grok_conn_id: the Airflow connection.
    :param deferrable: wait in the triggerer, not on a worker; default: Airflow's `[operators] default_deferrable`.
    """

    template_fields = ("grok_conn_id", "batch_id")
    operator_extra_links = (GrokConsoleLink(),)
    ui_color = "#d0e0e3"

    def __init__(
        self,
        *,
        batch_id: str | XComArg,
        grok_conn_id: str = "grok_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id
        self.grok_conn_id = grok_conn_id
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Poll once; then wait in the triggerer, or poke."""
        if not self.deferrable:
            return super().execute(context)
        first = self.poke(context)
        if first.is_done:
            return first.xcom_value
        return self._defer(context)

    def _defer(self, context: Context) -> None:
        from airflow_provider_grok.triggers.jobs import GrokJobTrigger

        started, batch_id = self._started(context), str(self.batch_id).strip()
        trigger = GrokJobTrigger(
            kind="batch",
            job_id=batch_id,
            submitted_at=started,
            deadline=started + self.timeout,
            grok_conn_id=self.grok_conn_id,
            parts=None if self._pending in ([], [batch_id]) else dict.fromkeys(self._pending),
        )
        left = timedelta(seconds=max(started + self.timeout - time.time(), 0) + 60)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=left)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None, **_: Any) -> Any:
        """Poll again after the trigger did.

        :param context: the task's context.
        :param event: what the trigger said.
        """
        from airflow.sdk.exceptions import AirflowException, AirflowSensorTimeout

        found = self.poke(context)
        if found.is_done:
            return found.xcom_value
        status = (event or {}).get("status")
        if status == "timeout":
            raise AirflowSensorTimeout(f"Batch {self.batch_id} was not over within timeout={self.timeout:g} s.")
        raise AirflowException(f"Waiting for batch {self.batch_id} failed: {(event or {}).get('message')}")

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once.

        :param context: the task's context.
        """
        from airflow_provider_grok.flows.batches.watch import watch_once
        from airflow_provider_grok.hooks.grok import GrokHook

        with translate_errors():
            hook = GrokHook(self.grok_conn_id)
            seen = hook.run(watch_once(str(self.batch_id).strip(), self.log))
            self._pending = seen.pending
            self.log.info("Batch %s: %s.", seen.batch_id, seen.words(time.time() - self._started(context)))
            if seen.pending:
                return PokeReturnValue(is_done=False)
            for batch in seen.states.values():
                if batch.cancel_by_xai_message:
                    self.log.warning("xAI cancelled batch %s: %s", batch.batch_id, batch.cancel_by_xai_message)
                self._warn_of_links(hook, batch)
            return PokeReturnValue(is_done=True, xcom_value=seen.state.counts())

    def _started(self, context: Context) -> float:
        """When the waiting began; with `reschedule` every poke is another start."""
        ti: Any = context["ti"]
        began = ti.get_first_reschedule_date(context) if self.reschedule else None
        began = began or getattr(ti, "start_date", None)
        return began.timestamp() if began else time.time()

    def _warn_of_links(self, hook: Any, batch: Batch) -> None:
        """Say it where results are on links only: they are dying while somebody waits."""
        from airflow_provider_grok.api import outcomes

        page = hook.run(outcomes.page(batch.batch_id, limit=10))
        assets = [one for outcome in page.outcomes if not outcome.error for one in _assets(outcome)]
        if any(asset.url and not asset.file_output for asset in assets):
            self.log.warning(
                "Results of batch %s are on links that die one hour after they were made. Let GrokPersistOperator "
                "follow the batch directly, without this sensor before it: it waits by itself and keeps them.",
                batch.batch_id,
            )


def _assets(outcome: Any) -> list[Any]:
    return list(outcome.images.data) if outcome.images else [outcome.video] if outcome.video else []
