"""The tree of errors: what went wrong, whether it was billed, and whether trying again can help.

GrokError
├── InvalidRequest            found by us before anything was sent
├── ApiError                  the server answered, and said no; a redirect, which no API call follows
│   ├── PermissionDenied      wrong or blocked key, missing right (400 with "API key", 401, 403)
│   ├── CreditExhausted       403 or 429 that no waiting cures: no credit left, or the spending limit reached
│   ├── InvalidArgument       400, 413, 415, 422
│   ├── Moderated             400 or 403 on a request that broke the content rules
│   ├── NotFound              404
│   ├── RateLimited           429; `retry_after` when the server named a time
│   ├── LinkQuota             429 that no waiting cures: 1,000 active public links
│   └── ServerUnavailable     408, 409, 425, 5xx, 529
├── Unreachable               nothing was sent: refused connection, unknown host
├── ResponseLost              sent, but no whole answer came back: the work may have been done
│   └── NotAnApiResponse      an answer came, but not this API's: a web page, no JSON, far too large
├── JobFailed                 a job ended without a result
│   └── JobModerated          ... because of the content rules
├── JobTimeout                a job was given up on; it may finish later
└── CostLimit                 the estimate is over `max_cost_usd`; nothing was sent

The class says what was answered, `outcome_unknown` whether that is evidence. Only the API's own refusal is: a 4xx
other than 408, 409 and 425 whose body has one of the shapes of its errors. A gateway's page under the same status
gets the same class, and `outcome_unknown`: what the API itself has done meanwhile, nobody has said.
"""

from __future__ import annotations

import re

from airflow_provider_grok.api.bodies import (
    MESSAGE_LIMIT,
    UNDECIDED,
    clean,
    is_credit,
    is_moderation,
    is_refusal,
    normal_code,
    param_of,
    parse_body,
    ticks_in,
    ticks_of,
)

__all__ = [
    "MESSAGE_LIMIT",
    "ApiError",
    "CostLimit",
    "CreditExhausted",
    "GrokError",
    "InvalidArgument",
    "InvalidRequest",
    "JobFailed",
    "JobModerated",
    "JobTimeout",
    "LinkQuota",
    "Moderated",
    "NotAnApiResponse",
    "NotFound",
    "PermissionDenied",
    "RateLimited",
    "ResponseLost",
    "ServerUnavailable",
    "Unreachable",
    "clean",
    "is_moderation",
    "is_refusal",
    "normal_code",
    "parse_body",
    "refusal",
    "refuses_field",
    "ticks_in",
    "ticks_of",
]

#: How many characters of an error's own text are kept.
LONGEST_MESSAGE = 4000
#: The status that belongs to a code, for an error body that comes with a status of success; any other is a failure.
_STATUSES = {
    "invalid-argument": 400,
    "client-specified-an-invalid-argument": 400,
    "failed-precondition": 400,
    "unauthenticated": 401,
    "permission-denied": 403,
    "not-found": 404,
}
#: Words for a field besides its own name.
_SYNONYMS = {"deferred": "deferr?al|async(?:hronous)?(?:ly)?"}


class GrokError(Exception):
    """Something about a request to xAI went wrong.

    `permanent` is true where asking again would only fail, or pay, again. `billed` is None where nobody can know.
    `transient` is true where the same request, if it does no harm twice, may be sent again soon. `outcome_unknown` is
    true where the server may have carried the request out: what it may have made is looked for before it is sent again.
    `never_sent` is true where the request did not leave this machine: it is no attempt at all.
    """

    permanent = False
    transient = False
    outcome_unknown = False
    never_sent = False
    billed: bool | None = False

    def __init__(self, message: object = "") -> None:
        # Whatever a server put into it ends up in logs and terminals.
        super().__init__(clean(str(message), LONGEST_MESSAGE))

    @property
    def brief(self) -> str:
        """What happened, without what it cost: for a sentence about something else that was paid for."""
        return str(self).rstrip(". ")


class InvalidRequest(GrokError, ValueError):
    """The request cannot be right; nothing was sent."""

    permanent = True
    never_sent = True


class CostLimit(GrokError):
    """The estimated cost is over the limit; nothing was sent."""

    permanent = True
    never_sent = True


class Unreachable(GrokError):
    """No connection came about, so nothing was sent."""

    transient = True
    never_sent = True


class ResponseLost(GrokError):
    """The request left, and no whole answer came back."""

    transient = True
    outcome_unknown = True
    billed = None


class NotAnApiResponse(ResponseLost):
    """Something answered that does not speak this API."""


class ApiError(GrokError):
    """The server refused a request, or failed at it.

    :param method: HTTP method of the request.
    :param path: path of the request, without query.
    :param status: HTTP status of the answer.
    :param code: the server's code in lower case with dashes, e.g. `invalid-argument`, or an empty string.
    :param message: the server's words.
    :param request_id: the server's `x-request-id`, to quote to support.
    :param billed: whether the request was charged; None where it cannot be known.
    :param ticks: what was charged, in ticks of 1e-10 USD, where the answer said so.
    :param retry_after: seconds after which the server wants to be asked again.
    :param foreign: whether this is not how the API answers, so that what it did is not known.
    """

    advice = ""

    def __init__(
        self,
        method: str,
        path: str,
        status: int,
        code: str = "",
        message: str = "",
        request_id: str | None = None,
        billed: bool | None = False,
        ticks: int | None = None,
        retry_after: float | None = None,
        foreign: bool = False,
    ) -> None:
        self.method, self.path, self.status, self.code, self.message = method, path, status, code, message
        self.request_id, self.billed, self.ticks, self.retry_after = request_id, billed, ticks, retry_after
        self.param = ""
        if foreign:
            self.outcome_unknown, self.permanent, self.transient = True, False, True
            self.advice = (
                "The API does not answer like this: what a gateway or proxy in between said is no refusal. Check the "
                "connection's host and the network."
            )
        super().__init__(self._sentence())

    @property
    def brief(self) -> str:
        """What was asked and what came back."""
        where, said = f"{self.method} {self.path} answered {self.status}", self.message.rstrip(". ") or "(no text)"
        return f"{where} ({self.code}): {said}" if self.code else f"{where}: {said}"

    def _sentence(self) -> str:
        money = {True: "It was billed.", False: "Nothing was billed.", None: "Whether it was billed is not known."}
        parts = [
            f"{self.brief}.",
            f"It asks to be left alone for {self.retry_after:.0f} s." if self.retry_after else "",
            f"Request id {self.request_id}." if self.request_id else "",
            f"It was billed ({self.ticks / 1e10:.4f} USD)." if self.ticks and self.billed else money[self.billed],
            self.advice,
        ]
        return " ".join(part for part in parts if part)


class PermissionDenied(ApiError):
    """The key is wrong, blocked or lacks a right."""

    permanent = True
    advice = "Check the API key (the connection's password), its rights and the team's credit in the xAI console."


class CreditExhausted(ApiError):
    """The team has no credit left, or has reached its spending limit; the key is as good as before."""

    permanent = True
    advice = "Waiting does not help: buy credit or raise the spending limit in the xAI console, then clear the task."


class InvalidArgument(ApiError):
    """The server does not take this request as it is."""

    permanent = True
    advice = "The same request would be refused again: change it."


class Moderated(ApiError):
    """The content rules refused the request or its result."""

    permanent = True
    advice = "The same prompt and sources would be refused, and may be billed, again: change them."


class NotFound(ApiError):
    """The server does not know the thing that was named."""

    permanent = True
    advice = "It never existed, was deleted, has expired, or belongs to another team: upload or make it again."


class RateLimited(ApiError):
    """Too many requests at once; the server refused before doing any work."""

    transient = True

    advice = "Run fewer tasks at a time (an Airflow pool), or let Airflow's retry wait."


class LinkQuota(ApiError):
    """The team has as many active public links as it may have."""

    permanent = True
    advice = "Revoke links (GrokUnshareOperator) or give them an end (expires_after)."


class ServerUnavailable(ApiError):
    """The server failed, or had no room; later it may work."""

    transient = True
    outcome_unknown = True

    advice = "This usually passes: Airflow's retry will try again."


class JobFailed(GrokError):
    """A job ended without a result.

    :param kind: image, video or batch.
    :param job_id: the server's id of the job.
    :param code: the server's code, lower case with dashes.
    :param message: the server's words.
    :param billed: whether it was charged; None where the answer does not say.
    :param ticks: what was charged, in ticks of 1e-10 USD, where the answer said so.
    """

    #: Codes after which the same request can succeed.
    PASSING = frozenset(
        {
            "service-unavailable",
            "internal-error",
            "internal",
            "unavailable",
            "expired",
            "cancelled",
            "deadline-exceeded",
        }
    )

    def __init__(
        self, kind: str, job_id: str, code: str, message: str, billed: bool | None = None, ticks: int | None = None
    ) -> None:
        self.kind, self.job_id, self.code, self.message = kind, job_id, code, message
        self.billed, self.ticks = billed, ticks
        money = {True: "It was billed", False: "It was not billed", None: "Whether it was billed is not known"}[billed]
        cost = f" ({ticks / 1e10:.4f} USD)" if ticks else ""
        advice = "The same request would fail again: change it." if self.permanent else "Asking again may well succeed."
        said = message.rstrip(". ")
        super().__init__(f"{kind} job {job_id} failed ({code or 'no code'}): {said}. {money}{cost}. {advice}")

    @property
    def permanent(self) -> bool:  # type: ignore[override]
        """Whether the same request would fail again."""
        return self.code not in self.PASSING and not self.outcome_unknown


class JobModerated(JobFailed):
    """A job's result broke the content rules."""


class JobTimeout(GrokError):
    """A job was not finished in time; it goes on, and a later try of the task adopts its result."""

    billed = None


def refusal(
    method: str,
    path: str,
    status: int,
    body: bytes,
    *,
    request_id: str | None,
    paid: bool,
    retry_after: float | None,
    check: bool = True,
) -> ApiError:
    """Turn an answer that is not a success into the error that fits it best.

    :param method: HTTP method of the request.
    :param path: path of the request.
    :param status: HTTP status of the answer.
    :param body: its bytes.
    :param request_id: the server's id of the call.
    :param paid: whether the call costs money when it succeeds.
    :param retry_after: seconds that the server asked to wait.
    :param check: whether the answer must have one of the API's shapes to be believed; not so for storage and CDNs.
    """
    code, message, ticks = parse_body(body)
    kind = _kind(status, code, message)
    foreign = check and not is_refusal(status, body) and not (status in UNDECIDED or status >= 500)
    unknown = foreign or kind.outcome_unknown
    billed: bool | None = bool(ticks) if ticks is not None else False
    if ticks is None and paid and (unknown or kind is Moderated):
        billed = None
    error = kind(method, path, status, code, message, request_id, billed, ticks, retry_after, foreign)
    error.param = param_of(body)
    return error


def _kind(status: int, code: str, message: str) -> type[ApiError]:
    if status < 300:
        # Something on the way gave the status, so the code has to say it; unless it does, who knows what was done.
        return _kind(_STATUSES.get(code, 500), code, message)
    if status >= 500 or status in UNDECIDED:
        return ServerUnavailable
    if status < 400:
        return ApiError
    words = message.lower()
    # The words come before the status: a 403 may be about the content or the credit, and a 400 about the key.
    if status == 401 or (status == 400 and "api key" in words):
        return PermissionDenied
    if is_moderation(message, code):
        return Moderated
    if status == 429 and "public" in words and ("quota" in words or "active" in words):
        return LinkQuota
    if status in (402, 403, 429) and is_credit(message, code):
        return CreditExhausted
    return {403: PermissionDenied, 404: NotFound, 429: RateLimited}.get(status, InvalidArgument)


def refuses_field(error: GrokError, field: str) -> bool:
    """Tell whether the API refused a request because of one of its fields, in whatever words.

    :param error: what the request ended with; only the API's own refusal (400, 403, 422) counts.
    :param field: name of the field, such as `deferred`.
    """
    if not isinstance(error, InvalidArgument | PermissionDenied) or error.outcome_unknown:
        return False
    if error.status not in (400, 403, 422):
        return False
    words = "|".join(filter(None, (re.escape(field), _SYNONYMS.get(field))))
    return error.param == field or bool(re.search(rf"(?<!\w)(?:{words})(?!\w)", error.message, re.IGNORECASE))
