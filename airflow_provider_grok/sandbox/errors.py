"""How the sandbox says no.

Refusal               code and error as JSON, any status
└── Undeserialisable  422, plain text: the body has not the shape the API reads
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

CODES = {
    400: "invalid-argument",
    401: "unauthenticated",
    403: "permission-denied",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    409: "aborted",
    413: "payload-too-large",
    415: "unsupported-media-type",
    429: "resource-exhausted",
    500: "internal-error",
    502: "bad-gateway",
    503: "service-unavailable",
    504: "deadline-exceeded",
    529: "overloaded",
}

# How a failed job spells its cause, and the status of a request that fails of it at once.
JOB_CODES = {
    "invalid_argument": 400,
    "permission_denied": 403,
    "failed_precondition": 400,
    "service_unavailable": 503,
    "internal_error": 500,
}


class Refusal(Exception):
    """An answer other than success, raised from wherever the reason is found."""

    def __init__(self, status: int, message: str, *, code: str | None = None, ticks: int | None = None) -> None:
        """Say no.

        :param status: HTTP status.
        :param message: what is wrong, in words.
        :param code: the API's word for it; follows from the status if left out.
        :param ticks: what was billed nevertheless, in 1e-10 US dollars.
        """
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "unknown")
        self.ticks = ticks

    def response(self) -> Response:
        """Return the answer in the API's usual error form (docs.x.ai, Errors)."""
        body: dict[str, Any] = {"code": self.code, "error": self.message}
        if self.ticks is not None:
            body["usage"] = {"cost_in_usd_ticks": self.ticks}
        # What is left of a body that is too large or too slow is not read.
        headers = {"connection": "close"} if self.status in (408, 413) else None
        return JSONResponse(body, self.status, headers)

    def job_error(self) -> dict[str, str]:
        """Return the same as the `error` of a failed job."""
        code = self.code.replace("-", "_")
        if code not in JOB_CODES:
            code = "invalid_argument" if self.status < 500 else "internal_error"
        return {"code": code, "message": self.message}


class Undeserialisable(Refusal):
    """The body cannot be read into the type the API expects."""

    def __init__(self, message: str) -> None:
        """Say what could not be read."""
        super().__init__(422, f"Failed to deserialize the JSON body into the target type: {message}")

    def response(self) -> Response:
        """Return plain text, as the API does."""
        return PlainTextResponse(self.message, self.status)


def invalid(message: str) -> Refusal:
    """Return a 400: the argument is wrong."""
    return Refusal(400, message)


def missing(what: str) -> Refusal:
    """Return a 404: there is no such thing."""
    return Refusal(404, what)
