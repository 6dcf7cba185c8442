"""What a task that makes something says in the end: what its receipt holds, and why it fails or skips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_grok.api.errors import JobModerated, Moderated
    from airflow_provider_grok.flows.purchases.result import PurchaseResult


def request_told(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the receipt says of a request: prompt, model, and the sources in order, URLs without their query.

    :param body: the request; `request_params` may have put anything into it.
    """
    found: list[Any] = [body.get(key) for key in ("image", "video", "last_frame")]
    for key in ("images", "reference_images", "keyframes"):
        several = body.get(key)
        found += several if isinstance(several, list) else []
    named = (_name_of(one.get("image", one)) for one in found if isinstance(one, dict))
    return {"prompt": body.get("prompt"), "model": body.get("model"), "sources": [name for name in named if name]}


def _name_of(source: Any) -> str:
    """A source's file id, or its URL; an empty string for what is no source."""
    named = source.get("file_id") or source.get("url") if isinstance(source, dict) else None
    return named.partition("?")[0] if isinstance(named, str) else ""


def was_generated(error: Moderated | JobModerated) -> bool:
    """Whether the content rules withheld a result that had been generated, so that a repeat may pass.

    What is refused before generation is refused for the request itself, and would be refused again, even where a fee
    was billed for it (docs.x.ai, Pricing: usage guidelines violations).

    :param error: the refusal.
    """
    from airflow_provider_grok.api.errors import JobModerated

    words = error.message.lower()
    if "usage guidelines" in words or "safety_check" in words or error.billed is False:
        return False
    return isinstance(error, JobModerated) or bool(error.ticks)


def check(bought: PurchaseResult, on_moderated: str) -> None:
    """Fail, or skip, for what is missing: everything that was kept is in XCom by now.

    :param bought: what the purchase came to.
    :param on_moderated: `skip`, or anything else to fail: a result that is there in part is not bought again as a
        whole.
    :raises GrokError: for what could not be kept; permanent where a retry would only see the same again.
    """
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    missing = [row for row in bought.rows if not row.file_id]
    lost = [row for row in missing if not (row.reason or "").startswith("moderated")]
    if lost:
        _fail_for_lost(bought, lost)
    if missing and on_moderated != "skip":
        raise AirflowFailException(
            f"{len(missing)} of {len(bought.rows)} results were taken away by the content rules, and billed; the "
            "others are in XCom `receipt`. Change the prompt or the sources, or set on_moderated='skip'."
        )
    if not bought.file_ids:
        raise AirflowSkipException("The content rules took every result away.")


def _fail_for_lost(bought: PurchaseResult, lost: list[Any]) -> None:
    from airflow_provider_grok.api.errors import GrokError
    from airflow_provider_grok.api.prices import usd
    from airflow_provider_grok.flows.files.result_store import NotStorable, NotStored

    words = f"{len(lost)} of {len(bought.rows)} results of job {bought.job_id} could not be kept"
    paid = f"It was billed ({usd(bought.ticks):.4f} USD{', estimated' if bought.estimated else ''})"
    reasons = "; ".join(row.reason or "no reason is known" for row in lost)
    if not any(isinstance(row, NotStored) for row in lost):
        error = GrokError(f"{words}: {reasons}. {paid}.")
        # Where some were kept, the record is done: a retry buys nothing and finds the same.
        error.permanent = bool(bought.file_ids)
    else:
        error = GrokError(f"{words}: {reasons}. {paid}; while the link lives, another try fetches it unpaid.")
        error.permanent = all(isinstance(row, NotStorable) for row in lost)
    raise error
