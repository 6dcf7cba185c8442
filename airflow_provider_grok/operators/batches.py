"""Operators for batches: many requests at once, kept as they are made, cancelled where need be; and their requests."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.links import GrokConsoleLink
from airflow_provider_grok.operators.base import GrokOperator, receipt
from airflow_provider_grok.operators.persist import GrokPersistOperator
from airflow_provider_grok.operators.requests import (
    edit_image,
    edit_video,
    extend_video,
    generate_image,
    generate_video,
)
from airflow_provider_grok.operators.values import given, named, refuse_secret, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context, XComArg

    from airflow_provider_grok.flows.batches.purchase import BatchPurchase, SubmittedBatch
    from airflow_provider_grok.flows.purchases.key import Reuse
    from airflow_provider_grok.flows.purchases.options import PurchaseOptions

    Duration = timedelta | float | str

__all__ = [
    "GrokBatchCancelOperator",
    "GrokBatchOperator",
    "GrokPersistOperator",
    "edit_image",
    "edit_video",
    "extend_video",
    "generate_image",
    "generate_video",
]


class GrokBatchOperator(GrokOperator):
    """Submit many requests as one batch, never twice, and return its id at once, without waiting.

    Every picture and video is asked to be stored in xAI Files; let `GrokPersistOperator` follow directly, which waits
    by itself and keeps what the server did not store (docs.x.ai, Batch API). A retry, a clear or a
    changed list adds only the rows that are missing.

    :param requests: requests as `edit_image` and its like in this module make them, each with an id of its own.
    :param input_file: a JSONL file of requests instead: path on the worker or object-storage URL; it is watched until
        the server has loaded it, for one bad line would cancel it as a whole.
    :param name: name of the batch, and of the results; an idempotency key goes behind it. None: `<dag>.<task>`.
    :param expires_after: life of the stored results: timedelta, seconds or text of seconds, 1 hour to 30 days; None:
        the connection's default, else no end.
    :param expires_at: their end instead: aware datetime or ISO text.
    :param share: whether to make a public link of each: True (7 days, or as long as the file), or its life.
    :param max_cost_usd: most US dollars that the batch as a whole may cost; None: the connection's.
    :param reuse: `run`: an equal row in the same task of the same run is the same purchase; `attempt`: the same, but
        clearing the finished task buys anew; `always`: so is an equal row of any batch of this `name`, while that batch
        answers (about a day) or its stored file lives.
    """

    template_fields = (
        *GrokOperator.template_fields,
        "requests",
        "input_file",
        "name",
        "expires_after",
        "expires_at",
        "share",
        "max_cost_usd",
        "reuse",
    )
    template_fields_renderers = {"requests": "json"}
    operator_extra_links = (GrokConsoleLink(),)
    ui_color = "#d0e0e3"

    def __init__(
        self,
        *,
        requests: Any = None,
        input_file: str | XComArg | None = None,
        name: str | None = None,
        expires_after: Duration | None = None,
        expires_at: datetime | str | None = None,
        share: bool | Duration = False,
        max_cost_usd: float | str | None = None,
        reuse: Reuse = "run",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.input_file = input_file
        self.name = name
        self.expires_after = expires_after
        self.expires_at = expires_at
        self.share = share
        self.max_cost_usd = max_cost_usd
        self.reuse = reuse

    def execute(self, context: Context) -> str:
        """Find the batch of an earlier try, or make it; add what it lacks."""
        from airflow_provider_grok.api import errors, wire
        from airflow_provider_grok.flows.batches.input_files import storing

        with translate_errors():
            file = given(self.input_file)
            if (file is None) == (given(self.requests) is None):
                raise errors.InvalidRequest(
                    "A batch needs either requests= (a list) or input_file= (a JSONL file). Give exactly one."
                )
            entries = self._entries() if file is None else self._lines(str(file))
            purchase = self._purchase(context, entries)
            store = storing(self.hook.endpoint, purchase, self.log) if file is not None else None
            try:
                placed: SubmittedBatch = wire.run(self.hook.endpoint, purchase.place(store))
            except errors.GrokError as error:
                batch_id = purchase.batch.batch_id if purchase.batch else getattr(error, "job_id", None)
                self._push(context, purchase, batch_id, len(entries))
                raise
            self._push(context, purchase, placed.batch.batch_id, len(entries), reused=not placed.added)
            return placed.batch.batch_id

    def _entries(self) -> list[Mapping[str, Any]]:
        from airflow_provider_grok.api import batch_requests, errors
        from airflow_provider_grok.operators.requests import checked

        asked = unpacked(self.requests)
        if not isinstance(asked, list):
            raise errors.InvalidRequest(f"requests is a {type(asked).__name__}, not a list of requests.")
        entries: list[Mapping[str, Any]] = [checked(entry, index) for index, entry in enumerate(asked)]
        batch_requests.check(entries)
        refuse_secret({"requests": entries, "name": self.name}, self.hook.endpoint.key)
        return entries

    def _lines(self, source: str) -> list[Mapping[str, Any]]:
        from airflow_provider_grok.api import wire
        from airflow_provider_grok.flows.batches.input_files import read_lines

        return wire.run(self.hook.endpoint, read_lines(self.hook.endpoint, source))

    def _purchase(self, context: Context, entries: Sequence[Mapping[str, Any]]) -> BatchPurchase:
        from airflow_provider_grok.flows.batches.purchase import BatchPurchase, has_begun
        from airflow_provider_grok.flows.batches.requests import BatchPurchaseRequest
        from airflow_provider_grok.flows.purchases.key import account_fingerprint
        from airflow_provider_grok.flows.purchases.options import PurchaseOptions
        from airflow_provider_grok.hooks.task import task_identity

        settings, task = self.hook.settings, task_identity(context)
        options: PurchaseOptions = PurchaseOptions.of(
            settings,
            begun=has_begun(task.store),
            expires_after=self.expires_after,
            expires_at=self.expires_at,
            share=self.share,
            max_cost_usd=self.max_cost_usd,
            reuse=self.reuse,
        )
        request = BatchPurchaseRequest(entries, named(self.name), options.expires_after, options.link, options.max_cost)
        self._ti: Any = context["ti"]
        self._submitting = BatchPurchase(
            request,
            task,
            reuse=options.reuse,
            recovery_wait=settings.recovery_wait,
            account=account_fingerprint(self.hook.endpoint.key),
            log=self.log,
        )
        return self._submitting

    def _push(
        self, context: Context, purchase: BatchPurchase, batch_id: str | None, count: int, *, reused: bool = False
    ) -> None:
        told = receipt(
            counts={"requests": count, "added": purchase.added},
            usage=purchase.usage(),
            billed=purchase.billed(),
            request_id=batch_id,
            reused=reused,
        )
        self.push(context, receipt=told)

    def on_kill(self) -> None:
        """Cancel the half-filled batch if the task was ended for good; else the next try adds what is missing."""
        from airflow_provider_grok.flows.batches.cancel import cancel_if_over
        from airflow_provider_grok.hooks.task import task_state

        purchase: BatchPurchase | None = getattr(self, "_submitting", None)
        if purchase and purchase.batch:
            cancel_if_over(self.hook, self._ti, purchase.batch.batch_id, self.log, state_of=task_state)
        else:
            self.log.warning("Killed before a batch was made. Another try looks for it by name before it makes one.")


class GrokBatchCancelOperator(GrokOperator):
    """Cancel what a batch has not begun; finished results stay readable. Returns the batch id.

    :param batch_id: the batch.
    """

    template_fields = (*GrokOperator.template_fields, "batch_id")
    operator_extra_links = (GrokConsoleLink(),)
    ui_color = "#ea9999"

    def __init__(self, *, batch_id: str | XComArg, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch_id = batch_id

    def execute(self, context: Context) -> str:
        """Cancel."""
        from airflow_provider_grok.flows.batches.cancel import cancel_all

        with translate_errors():
            state, cancelled = self.hook.run(cancel_all(str(self.batch_id).strip()))
            batch_id = cancelled[-1]
            self.log.info("Cancelled %s: %s.", ", ".join(f"batch {one}" for one in cancelled), state.note)
            self.push(context, receipt=receipt(counts=state.counts(), request_id=batch_id))
            return batch_id
