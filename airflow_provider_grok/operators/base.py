"""What all operators share: the connection, our errors in Airflow's terms, and what goes to XCom."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_grok.hooks.grok import GrokHook


class GrokOperator(BaseOperator):
    """An operator with a connection to xAI.

    :param grok_conn_id: the Airflow connection of type `grok`.
    """

    template_fields: tuple[str, ...] = ("grok_conn_id",)
    ui_color = "#e8e8e8"

    def __init__(self, *, grok_conn_id: str = "grok_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grok_conn_id = grok_conn_id

    @cached_property
    def hook(self) -> GrokHook:
        """The connection."""
        from airflow_provider_grok.hooks.grok import GrokHook

        return GrokHook(self.grok_conn_id)

    def push(self, context: Context, **values: Any) -> None:
        """Put values beside the return value into XCom, before anything can still fail.

        :param context: the task's context.
        :param values: by XCom key.
        """
        if self.do_xcom_push:
            for key, value in values.items():
                told = {**value, "grok_conn_id": self.grok_conn_id} if key == "receipt" else value
                context["ti"].xcom_push(key=key, value=told)


def receipt(
    *,
    files: list[dict[str, Any]] | None = None,
    counts: dict[str, int] | None = None,
    request: dict[str, Any] | None = None,
    usage: dict[str, Any] | None = None,
    billed: dict[str, Any] | None = None,
    request_id: str | None = None,
    reused: bool = False,
    submitted_at: float | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """What a task did and what it cost, in the one shape that every operator pushes as `receipt`.

    :param files: one row per file: file_id, filename, expires_at, public_url, public_url_expires_at, reason.
    :param counts: of a batch, instead of files.
    :param request: prompt, model and sources.
    :param usage: what this delivery cost: cost_in_usd_ticks, cost_usd, estimated.
    :param billed: what the task instance may have been billed over all its tries: the same, and moderation_ticks.
    :param request_id: the server's id of the job.
    :param reused: whether nothing was paid for, or sent, this time.
    :param submitted_at: unix seconds at which the job was submitted.
    :param seconds: how long the job took.
    """
    nothing = {"cost_in_usd_ticks": 0, "cost_usd": 0.0, "estimated": False}
    what: dict[str, Any] = {"counts": counts} if counts is not None else {"files": files or []}
    return {
        **what,
        "request": request or {},
        "usage": usage or nothing,
        "billed": billed or {**nothing, "moderation_ticks": 0},
        "request_id": request_id,
        "reused": reused,
        "submitted_at": submitted_at,
        "seconds": seconds,
    }


def count_cost(ticks: int, model: object) -> None:
    """Count money spent as Airflow's metric `grok.cost_in_usd_ticks`, tagged with the model.

    :param ticks: ticks of 1e-10 USD.
    :param model: the model's name.
    """
    from airflow.sdk.observability.stats import Stats

    if ticks:
        Stats.incr("grok.cost_in_usd_ticks", ticks, tags={"model": str(model)})
