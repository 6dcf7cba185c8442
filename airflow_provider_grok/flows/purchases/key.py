"""The idempotency key of a purchase: a digest of what is asked for and of who asks.

The key stands in the names of what is bought, so it is a contract with all purchases made so far: a formula that
changes finds none of them again, and they are paid for twice. `tests/flows/purchases/test_key.py` holds golden values.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

#: How far an equal request counts as the same purchase.
Reuse = Literal["run", "attempt", "always"]

#: Length of a key in hex digits. An upload that is named after its content has 12, so the two can be told apart.
KEY_LENGTH = 14
#: Fields of a request that do not change what is made.
NOT_THE_RESULT = frozenset({"storage_options", "user", "deferred"})
#: Query parameters that sign a URL: Amazon, Google, Azure, and CDNs after their manner.
_SIGNATURE = re.compile(
    r"(?i)(x-amz-|x-goog-|awsaccesskeyid=|googleaccessid=|signature=|expires=|key-pair-id=|policy=|hdnea=|"
    r"(sig|se|sp|sv|sr|st|spr|skoid|sktid|skt|ske|sks|skv)=)"
)


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
    asked = {name: _unsigned(value) for name, value in body.items() if name not in NOT_THE_RESULT}
    return digest_of([path, asked])


def earlier_digests(path: str, body: Mapping[str, Any], *, by_hook: bool = False) -> list[str]:
    """Digests that earlier releases made of the same request, where they differ: their purchases are looked for too.

    :param path: the API path.
    :param body: the JSON body.
    :param by_hook: whether GrokHook may have bought it.
    """
    asked = {name: value for name, value in body.items() if name not in NOT_THE_RESULT}
    forms = [asked, {name: _unsigned(value) for name, value in asked.items()}]
    if by_hook and asked.get("aspect_ratio") == "auto":
        # GrokHook.generate of 0.1.0 left the ratio out where the operator sent the API's own default.
        forms += [{name: value for name, value in form.items() if name != "aspect_ratio"} for form in forms]
    present = request_digest(path, body)
    return list(dict.fromkeys(digest for form in forms if (digest := digest_of([path, form])) != present))


def _unsigned(value: Any) -> Any:
    """A source without the signature of a pre-signed URL: signed anew, it is still the same source."""
    if isinstance(value, dict):
        return {name: _unsigned(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unsigned(inner) for inner in value]
    if not isinstance(value, str) or "?" not in value or not value.startswith(("http://", "https://")):
        return value
    url, _, query = value.partition("?")
    kept = [one for one in query.split("&") if not _SIGNATURE.match(one)]
    return f"{url}?{'&'.join(kept)}" if kept else url


def purchase_key(digest: str, reuse: Reuse, scope: Sequence[Any], generation: int) -> str:
    """The idempotency key of a purchase, which stands in the names of what it makes.

    :param digest: digest of the request.
    :param reuse: how far an equal request counts as the same purchase.
    :param scope: dag id, run id, task id and map index of who asks; does not count with `always`.
    :param generation: how often a person asked for it anew; counts with `attempt` only.
    """
    parts: list[Any] = [] if reuse == "always" else list(scope)
    if reuse == "attempt":
        parts.append(generation)
    return digest_of([digest, *parts])[:KEY_LENGTH]


def account_fingerprint(api_key: str) -> str:
    """What tells two API keys apart in a record, and does not give the key away.

    :param api_key: the key.
    """
    return hashlib.sha256(f"grok account {api_key}".encode()).hexdigest()[:8]
