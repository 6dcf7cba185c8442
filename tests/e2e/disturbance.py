"""A bad network by the dice: a share of all answers of a sandbox is disturbed, the same ones for the same seed."""

from __future__ import annotations

import random
from typing import Any

from airflow_provider_grok.sandbox.faults import Action, Faults

PAGE = {"body": "<html><body>Bad gateway</body></html>", "headers": {"content-type": "text/html"}}
GARBAGE = {"body": '{"id": "file_', "headers": {"content-type": "application/json"}}

#: What may happen: refused before any work, failed before or after it, answered falsely, or not at all.
ACTIONS: tuple[Action, ...] = (
    {"status": 429},
    {"status": 429, "headers": {"Retry-After": "5"}},
    {"status": 429, "headers": {"Retry-After": "120"}},
    *({"status": status} for status in (408, 409, 425, 500, 502, 503, 504, 529)),
    {"status": 502, **PAGE},
    {"status": 502, **PAGE, "after": True},
    {"status": 503, "after": True},
    {"status": 200, **PAGE},
    {"status": 200, **PAGE, "after": True},
    {"status": 200, **GARBAGE, "after": True},
    {"status": 200, "body": {"code": "internal-error", "error": "Try again."}},
    {"status": 200, "body": {"error": "upstream hung up"}, "after": True},
    {"drop": "before"},
    {"drop": "after"},
    {"drop": "after"},
    {"truncate": 4},
    {"delay": 0.02},
)


class Disturbance(Faults):
    """Faults that nobody ordered.

    :param seed: of the dice.
    :param share: which share of the answers suffers, 0 to 1.
    """

    def __init__(self, seed: int, share: float = 0.2) -> None:
        super().__init__()
        self.dice, self.share = random.Random(seed), share
        self.requests = self.struck = 0

    def take(self, method: str, path: str) -> dict[str, Any]:
        """What a request has to suffer; most suffer nothing."""
        with self._lock:
            self.requests += 1
            if self.dice.random() >= self.share:
                return {}
            self.struck += 1
            return dict(self.dice.choice(ACTIONS))
