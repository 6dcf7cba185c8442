"""The answers that the faults `status` and `base64` give in place of the API's own."""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from airflow_provider_grok.sandbox.errors import CODES


class LenientJSONResponse(JSONResponse):
    """JSON in which NaN and infinities may stand: some servers send them, and a fault may order it."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the body."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def injected_answer(action: dict[str, Any]) -> Response:
    """Return the answer that a fault orders; without a body, the usual one of its status.

    :param action: with `status`; also `headers`, and `body` or `base64`.
    """
    status, headers = action["status"], {key: str(value) for key, value in action.get("headers", {}).items()}
    if "base64" in action:
        return Response(base64.b64decode(action["base64"]), status, headers, "application/octet-stream")
    if "body" not in action:
        body: Any = {"code": CODES.get(status, "unknown"), "error": f"A fault was ordered: status {status}."}
    else:
        body = action["body"]
    if body is None or isinstance(body, str):
        return PlainTextResponse(body, status, headers)
    return LenientJSONResponse(body, status, headers)
