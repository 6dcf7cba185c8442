"""Refusals that depend on the team or the content, which the sandbox does not have: they come by the fault `refuse`.

The texts are those that users of the API have quoted (docs.x.ai, Errors, knows the statuses only).
"""

from __future__ import annotations

from airflow_provider_grok.sandbox.errors import Refusal
from airflow_provider_grok.sandbox.team import IDS, KEY_ID

CREDIT = (
    f"Your team {IDS['team_id']} has either used all available credits or reached its monthly spending limit. "
    "To continue making API requests, please purchase more credits or raise your spending limit."
)
SAFETY = (
    f"Content violates usage guidelines. Team: {IDS['team_id']}, API key ID: {KEY_ID}, "
    "Failed check: SAFETY_CHECK_TYPE_BIO"
)
RATE = (
    f"Too many requests for team {IDS['team_id']} and this model. "
    "Your team's rate limit is - Requests per Second (actual/limit): 1/1."
)
# Name of the fault -> status, code (None: the usual one of the status), text.
REFUSALS: dict[str, tuple[int, str | None, str]] = {
    "credit": (403, None, CREDIT),
    "credit-429": (429, "Some resource has been exhausted", CREDIT),
    "credit-oauth": (403, "personal-team-blocked:spending-limit", CREDIT),
    "safety": (403, None, SAFETY),
    "safety-400": (400, "Client specified an invalid argument", "Content violates usage guidelines."),
    "rights": (403, None, "This feature is not enabled for your team."),
    "rate": (429, None, RATE),
}


def refusal(name: str) -> Refusal:
    """Return the refusal of a name in `REFUSALS`; nothing is done and nothing is billed."""
    status, code, message = REFUSALS[name]
    return Refusal(status, message, code=code)
