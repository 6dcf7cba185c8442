"""What lies between worker and server: lost answers, gateways that answer in the server's place, rate limits.

`Network.send` takes a call of the real client and gives the real client's `Answer`; everything in between is simulated.
For each paid request it keeps an `Attempt`, which checkers compare with what the client knows.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from airflow_provider_grok.api import errors
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call
from tests.model.messages import TEAMS, Request, Response, answered, refused
from tests.model.server import Job, Server
from tests.model.world import World

#: Seconds after which a request without an answer is given up.
TIMEOUT = 60.0
_PAGE = b"<!doctype html><html><title>Gateway</title><body>Please try again</body></html>"


@dataclass
class Attempt:
    """One sending of a paid request.

    :param number: counts from 1.
    :param sender: the task instance.
    :param try_id: the process that sent it.
    :param sent: unix seconds at which it left, in true time.
    :param by_clock: the same by the worker's clock.
    :param fault: what the network did to it; empty where nothing.
    :param job: what the server made of it; None where it never got there or was refused.
    :param told: whether the worker got the server's own answer.
    :param recorded: whether the job's id got into the task's store.
    :param frozen: whether it was sent by a worker that had been given up.
    """

    number: int
    sender: str
    try_id: int
    content: str
    key: str
    sent: float
    fault: str
    job: Job | None = None
    told: bool = False
    recorded: bool = False
    frozen: bool = False

    @property
    def team(self) -> str:
        """Whose account it was sent to."""
        return TEAMS.get(self.key, "")


class Network:
    """The way from workers to the server and back.

    :param world: time and chances.
    :param server: the server.
    """

    def __init__(self, world: World, server: Server) -> None:
        self.world, self.server = world, server
        self.attempts: list[Attempt] = []
        self.requests = 0

    def send(
        self, call: Call[Any], key: str, sender: str, try_id: int, frozen: bool = False
    ) -> Generator[float, None, Answer]:
        """Carry a call to the server and its answer back.

        :param call: a call of the client.
        :param key: the API key.
        :param sender: the task instance.
        :param try_id: the process that sends.
        :param frozen: whether the process has been given up already.
        :raises GrokError: as the client's own transport would.
        """
        self.requests += 1
        request = _request(call, key, sender)
        fault = self._fault(call)
        attempt = None
        if call.paid:
            content = str(request.body.get("prompt"))
            attempt = Attempt(
                len(self.attempts) + 1, sender, try_id, content, key, self.world.now, fault, frozen=frozen
            )
            self.attempts.append(attempt)
            self.world.note(sender, f"sends {call.method} {call.path} ({content}){f', {fault}' if fault else ''}")
        if fault == "unreachable":
            yield 0.1
            raise errors.Unreachable(f"{call.method} {call.shown_path}: nothing answers. Nothing was sent.")
        yield 0.1
        response = yield from self._response(request, fault, attempt)
        if response is None:
            yield TIMEOUT
            raise errors.ResponseLost(f"{call.method} {call.shown_path}: the answer was lost.")
        yield 0.1
        return self._answer(call, response)

    def _response(
        self, request: Request, fault: str, attempt: Attempt | None
    ) -> Generator[float, None, Response | None]:
        """What comes back: the server's answer, another's, or nothing."""
        if fault == "rate-limit":
            return self._rate_limit()
        shape, _, when = fault.rpartition("-")
        if fault and when == "before":
            return _gateway(shape, self.world)
        before = len(self.server.jobs)
        response = self.server.answer(request)
        worked = request.path.startswith("/batches") and response.status < 300
        if attempt is not None and len(self.server.jobs) > before:
            attempt.job = next(reversed(self.server.jobs.values()))
        if response.seconds:
            yield response.seconds
        if fault and (attempt is None or attempt.job is not None or worked):
            return _gateway(shape, self.world)
        if response.ended:
            job = self.server.jobs[response.ended]
            job.end_told = job.end_told or self.world.now
        if attempt is not None:
            attempt.fault = ""
            attempt.told = True
        return response

    def _fault(self, call: Call[Any]) -> str:
        options = self.world.options
        if self.world.calm or "://" in call.path:
            return ""
        if self.world.within(options.outages):
            return "unreachable" if not call.paid else "html-502-before"
        if self.world.chance("rate limit", options.rate_limit):
            return "rate-limit"
        makes = call.paid or (call.method == "POST" and call.path == "/batches")
        share, faults = options.free_fault, options.free_faults
        if makes:
            share, faults = options.paid_fault, options.paid_faults
        if faults and self.world.chance("paid fault" if makes else "free fault", share):
            return self.world.random("kind of fault").choice(faults)
        return ""

    def _rate_limit(self) -> Response:
        seconds = self.world.options.retry_after
        headers = {} if seconds is None else {"retry-after": str(seconds)}
        limited = refused(429, "resource-exhausted", "Too many requests for team t-1.")
        return Response(429, limited.body, headers=headers)

    def _answer(self, call: Call[Any], response: Response) -> Answer:
        body, sha256 = response.body, ""
        headers = {"content-type": response.content_type, "x-request-id": f"req-{self.requests}", **response.headers}
        headers["date"] = formatdate(self.world.now, usegmt=True)
        if call.into is not None and 200 <= response.status < 300:
            call.into.write_bytes(body)
            body, sha256 = b"", "0" * 64
        return Answer(call.method, call.shown_path, response.status, headers, body, len(response.body), sha256)


def _request(call: Call[Any], key: str, sender: str) -> Request:
    upload = call.upload
    return Request(
        call.method,
        call.path,
        key,
        sender,
        dict(call.query),
        json.loads(json.dumps(call.body)) if call.body else {},
        upload.filename if upload else "",
        upload.path.read_bytes() if upload else b"",
        int(upload.fields["expires_after"]) if upload and "expires_after" in upload.fields else None,
    )


def _gateway(shape: str, world: World) -> Response | None:
    """What comes instead of the server's answer; None where nothing comes.

    :param shape: a fault without its moment.
    """
    kind, _, status = shape.partition("-")
    code = int(status) if status.isdecimal() else 200
    plain = {
        "html": Response(code, _PAGE, "text/html"),
        "redirect": Response(302, b"", "text/html", {"location": "https://login.example.com/"}),
        "json": answered(code, {"code": "internal-error", "error": "upstream failure"}),
        "message": answered(code, {"message": "Forbidden by policy"}),
        "error": answered(200, {"error": "upstream hung up"}),
        "code": answered(200, {"code": "internal-error", "error": "Try again later."}),
        "empty": answered(200, {}),
        "nothing": Response(200, b"", "application/json"),
        "no": answered(200, {"data": []}),
        "done": answered(200, {"status": "done"}),
    }
    return plain.get(kind)
