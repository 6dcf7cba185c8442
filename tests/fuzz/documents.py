"""Documents for fuzzing: JSON of any shape, made of the words and numbers that the API uses, and of others."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

WORDS = (
    *(
        "id",
        "object",
        "bytes",
        "created_at",
        "filename",
        "expires_at",
        "purpose",
        "public_url",
        "public_url_expires_at",
    ),
    *("data", "pagination_token", "deleted", "revoked", "request_id", "status", "progress", "model", "video", "url"),
    *("b64_json", "mime_type", "file_output", "file_id", "storage_error", "public_url_error", "respect_moderation"),
    *("usage", "cost_in_usd_ticks", "error", "code", "message", "detail", "type", "duration", "batches", "batch_id"),
    *("name", "create_time", "expire_time", "cancel_time", "cancel_by_xai_message", "state", "num_requests"),
    *("num_pending", "num_success", "num_error", "num_cancelled", "cost_breakdown", "total_cost_usd_ticks"),
    *("batch_request_metadata", "batch_request_id", "batch_request", "results", "batch_result", "response"),
    *("image_generation", "video_generation", "image_edit", "chat_get_completion", "error_message", "acls", "models"),
    *("pricing", "price_per_image", "image_price", "aliases", "max_prompt_length", "team_blocked", "zdr_status"),
)
TEXTS = (
    *("", "0", "1", "-1", "done", "failed", "pending", "expired", "unknown", "2026-11-22", "2026-11-22T10:00:00Z"),
    *("9999-12-31", "0000-00-00", "file_1", "../x", "\x00", "\x1b[2J", "https://x.ai/a", "javascript:alert(1)"),
    *("Rejected by content moderation.", "Incorrect API key provided", "active public URLs quota", "[", "{{", "nan"),
)
NUMBERS = (0, 1, -1, 100, 2**31, 2**63, 2**64, -(2**63), 10**400, 1e308, -1e308, 5e-324, math.nan, math.inf, 0.5)

texts = st.sampled_from(TEXTS) | st.text(max_size=12)
scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.integers() | st.floats() | texts
keys = st.sampled_from(WORDS) | st.text(max_size=5)
values: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(keys, values, max_size=5)


def _spelt(value: Any) -> bytes:
    return json.dumps(value).encode()


#: What comes as a body: JSON, JSON that was cut short, and anything.
bodies = st.one_of(
    objects.map(_spelt),
    values.map(_spelt),
    st.tuples(objects.map(_spelt), st.integers(0, 40)).map(lambda pair: pair[0][: pair[1]]),
    st.binary(max_size=60),
)
