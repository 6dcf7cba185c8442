"""Requests per second, where `rate_limits` is on: one too many is a 429 at once, and nothing queues.

docs.x.ai, Rate limits: 5 image and 1 video request per second, model and team, on every tier; what runs inside a batch
does not count. docs.x.ai, Batch API: 2 creations per second and 1,000 calls to add requests per 30 seconds and team.
"""

from __future__ import annotations

from airflow_provider_grok.sandbox.backend import Backend
from airflow_provider_grok.sandbox.errors import Refusal
from airflow_provider_grok.sandbox.team import IDS

IMAGES_PER_SECOND, VIDEOS_PER_SECOND = 5, 1
BATCH_CREATIONS, BATCH_ADDITIONS = (2, 1.0), (1000, 30.0)  # calls in so many seconds


def check_model_rate(backend: Backend, model: str, most: int) -> None:
    """Count a request to a model, or refuse it.

    :param model: the one that serves it, no alias.
    :param most: requests per second.
    :raises Refusal: 429.
    """
    if not take(backend, f"model {model}", most, 1.0):
        raise too_many_requests(model, most)


def too_many_requests(model: str, most: int) -> Refusal:
    """Return the refusal of one request per second too many."""
    return Refusal(
        429,
        f"Too many requests for team {IDS['team_id']} and model {model}. "
        f"Your team's rate limit is - Requests per Second (actual/limit): {most}/{most}.",
    )


def check_batch_rate(backend: Backend, what: str, most: int, seconds: float) -> None:
    """Count a call of the Batch API, or refuse it.

    :param what: the calls in words.
    :param most: how many in so many seconds.
    :raises Refusal: 429.
    """
    if not take(backend, what, most, seconds):
        raise Refusal(429, f"Rate limit exceeded: at most {most} {what} per {seconds:g} s and team.")


def take(backend: Backend, what: str, most: int, seconds: float) -> bool:
    """Count a call and tell whether it is allowed; refused ones do not count."""
    if not backend.settings.rate_limits:
        return True
    now, calls = backend.clock.now(), backend.calls[what]
    while calls and calls[0] <= now - seconds:
        calls.popleft()
    if len(calls) >= most:
        return False
    calls.append(now)
    return True
