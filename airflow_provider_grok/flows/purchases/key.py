"""The idempotency key of a purchase: a digest of what is asked for and of who asks.

The key stands in the names of what is bought, so it is a contract with all purchases made so far: a formula that
changes finds none of them again, and they are paid for twice. `tests/flows/purchases/test_key.py` holds golden values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

#: How far an equal request counts as the same purchase.
Reuse = Literal["run", "attempt", "always"]

#: Length of a key in hex digits. An upload that is named after its content has 12, so the two can be told apart.
KEY_LENGTH = 14
#: Fields of a request that do not change what is made.
NOT_THE_RESULT = frozenset({"storage_options", "user", "deferred"})


def digest_of(value: Any) -> str:
    """A digest of JSON data that does not depend on the order of keys.

    :param value: JSON data.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def request_digest(path: str, body: Mapping[str, Any]) -> str:
    """A digest of what a request asks to be made.

    :param path: the API path.
    :param body: the JSON body.
    """
    return digest_of([path, {key: value for key, value in body.items() if key not in NOT_THE_RESULT}])
