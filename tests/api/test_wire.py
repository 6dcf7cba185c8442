"""The retry rule, row by row, and what the two drivers do with flows; both drivers, over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest

from airflow_provider_grok.api import errors, files, images, wire
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import BlockingCall, Call, Flow, Now, Sleep

PICTURE = {"model": "grok-imagine-image", "prompt": "a mug"}
REPEATABLE = [408, 409, 500, 502, 503, 504, 529]


def ping(**options: Any) -> Call[dict[str, Any]]:
    return Call("GET", "/ping", lambda answer: answer.json(), **options)


def pay() -> Call[Any]:
    return images.generate(PICTURE)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "mug.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return path


@pytest.mark.parametrize("status", REPEATABLE)
def test_a_get_is_repeated_after_a_passing_failure(ask: Any, script: Any, status: int) -> None:
    script.say(status, '{"code": "x", "error": "later"}')
    script.say(200, '{"id": "1"}')
    assert ask(ping()) == {"id": "1"}
    assert 0.125 <= ask.slept[0] <= 0.25


@pytest.mark.parametrize("status", REPEATABLE)
def test_a_paid_post_is_never_repeated_after_it_may_have_been_done(ask: Any, script: Any, status: int) -> None:
    script.say(status, '{"error": "later"}')
    with pytest.raises(errors.ServerUnavailable) as caught:
        ask(pay())
    assert len(script.requests) == 1
    assert caught.value.billed is None


@pytest.mark.parametrize("call", [ping, pay], ids=["get", "paid post"])
def test_a_429_is_retried_after_the_seconds_that_the_server_names(
    ask: Any, script: Any, call: Callable[[], Call[Any]]
) -> None:
    script.say(429, '{"error": "slow down"}', retry_after="7")
    script.say(200, '{"request_id": "r", "id": "1"}')
    ask(call())
    assert ask.slept == [7.0]


def test_a_429_is_retried_at_the_date_that_the_server_names(ask: Any, script: Any) -> None:
    script.say(429, "{}", retry_after=formatdate(time() + 30, usegmt=True))
    script.say(200, "{}")
    ask(ping())
    assert 25 < ask.slept[0] <= 30


def test_a_429_without_a_time_is_retried_after_1_s_doubling_to_30_with_jitter(ask: Any, script: Any) -> None:
    for _ in range(7):
        script.say(429, "{}")
    script.say(200, "{}")
    ask(ping(attempts=8))
    for pause, most in zip(ask.slept, [1, 2, 4, 8, 16, 30, 30], strict=True):
        assert most / 2 <= pause <= most


FOREIGN_429 = ["<html>slow down</html>", "{}", '{"message": "Too Many Requests"}', ""]


@pytest.mark.parametrize("body", FOREIGN_429)
def test_a_429_that_is_not_the_apis_is_not_followed_by_a_second_purchase(ask: Any, script: Any, body: str) -> None:
    script.say(429, body, retry_after="1")
    with pytest.raises(errors.RateLimited) as caught:
        ask(pay())
    assert (len(script.requests), caught.value.outcome_unknown, caught.value.billed) == (1, True, None)


@pytest.mark.parametrize("body", FOREIGN_429)
def test_a_429_that_is_not_the_apis_is_waited_for_by_what_may_be_repeated(ask: Any, script: Any, body: str) -> None:
    script.say(429, body, retry_after="3")
    script.say(200, "{}")
    assert ask(ping()) == {}
    assert ask.slept == [3.0]


def test_the_apis_429_is_retried_for_a_purchase_too(ask: Any, script: Any) -> None:
    script.say(429, '{"code": "resource-exhausted", "error": "Too many requests for team 0."}')
    script.say(200, '{"request_id": "r"}')
    assert ask(pay()).job_id == "r"


PAGE = "<html>Access denied by the proxy</html>"
NO_EVIDENCE: list[tuple[int, str]] = [
    *((status, PAGE) for status in (200, 302, 400, 402, 403, 404, 405, 407, 413, 422, 429, 500, 502)),
    *((status, '{"message": "Forbidden"}') for status in (200, 400, 403, 404, 429, 500)),
    *((status, '{"code": "invalid-argument", "error": "no"}') for status in (200, 302, 408, 409, 425, 500, 503)),
    *((200, body) for body in ("", "{}", "[]", '{"data": []}', '{"status": "pending"}')),
    (204, ""),
]


@pytest.mark.parametrize(("status", "body"), NO_EVIDENCE)
def test_a_purchase_answered_by_no_evidence_is_sent_once_and_its_outcome_is_unknown(
    ask: Any, script: Any, status: int, body: str
) -> None:
    script.say(status, body, content_type="text/html" if body is PAGE else "application/json")
    if body == '{"data": []}':
        # Done, and nothing in it: that is a result, which the flow looks into.
        assert ask(pay()).finished.state == "failed"
        return
    with pytest.raises(errors.GrokError) as caught:
        ask(pay())
    assert len(script.requests) == 1
    error = caught.value
    assert (error.outcome_unknown, error.permanent, error.never_sent, error.billed) == (True, False, False, None)


def test_a_gateways_404_does_not_make_a_repeated_delete_a_success(ask: Any, script: Any) -> None:
    script.answers.append(b"")
    script.say(404, '{"message": "no Route matched"}')
    with pytest.raises(errors.NotFound):
        ask(files.delete("file_1"))


def test_a_429_of_more_than_a_minute_is_left_to_airflow_and_named(ask: Any, script: Any) -> None:
    script.say(429, '{"error": "slow down"}', retry_after="61")
    with pytest.raises(errors.RateLimited) as caught:
        ask(ping())
    assert (caught.value.retry_after, ask.slept, caught.value.permanent) == (61.0, [], False)
    assert "61 s" in str(caught.value)


PAST = formatdate(1_000_000_000, usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["0", "-0", "-1e300", "0.0001", "nan", PAST])
def test_a_server_that_wants_to_be_asked_at_once_makes_no_busy_loop(
    ask: Any, script: Any, status: int, after: str
) -> None:
    for _ in range(4):
        script.say(status, '{"error": "later"}', retry_after=after)
    script.say(200, "{}")
    ask(ping())
    assert len(ask.slept) == 4
    for pause, least in zip(ask.slept, [0.125, 0.25, 0.5, 1.0], strict=True):
        assert least <= pause <= 8


@pytest.mark.parametrize("after", ["inf", "Infinity", "1e999", "99999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wish_beyond_all_bounds_is_named_as_a_year_at_the_most(ask: Any, script: Any, after: str) -> None:
    script.say(503, '{"error": "later"}', retry_after=after)
    with pytest.raises(errors.ServerUnavailable, match="left alone for 31536000 s") as caught:
        ask(ping())
    assert (caught.value.retry_after, ask.slept) == (365 * 86_400, [])


def test_a_date_to_wait_for_counts_from_the_answers_own_date(ask: Any, script: Any) -> None:
    ahead = time() + 3600
    dates = {"date": formatdate(ahead, usegmt=True), "retry_after": formatdate(ahead + 20, usegmt=True)}
    script.say(429, "{}", **dates)
    script.say(200, "{}")
    ask(ping())
    assert ask.slept == [20.0]


def test_a_full_link_quota_is_not_retried_for_no_waiting_cures_it(ask: Any, script: Any) -> None:
    script.say(429, '{"error": "Quota of 1000 active public URLs reached"}')
    with pytest.raises(errors.LinkQuota):
        ask(files.share("file_1"))
    assert ask.slept == []


def test_an_answer_cut_short_is_asked_for_again_and_the_file_is_whole(ask: Any, script: Any, tmp_path: Path) -> None:
    script.answers.append(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")
    script.say(200, b"whole", content_type="image/png")
    got = ask(files.content("file_1", tmp_path / "out"))
    assert (got.length, got.content_type, (tmp_path / "out").read_bytes()) == (5, "image/png", b"whole")


def test_a_dropped_connection_is_an_answer_lost_and_a_get_asks_again(ask: Any, script: Any) -> None:
    script.answers.append(b"")
    script.say(200, "{}")
    assert ask(ping()) == {}
    assert len(script.requests) == 2


def test_a_paid_post_whose_answer_is_lost_is_not_sent_again(ask: Any, script: Any) -> None:
    script.answers.append(b"")
    with pytest.raises(errors.ResponseLost) as caught:
        ask(pay())
    assert (len(script.requests), caught.value.billed) == (1, None)


def test_a_paid_post_cut_short_is_not_sent_again(ask: Any, script: Any) -> None:
    script.answers.append(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"request')
    with pytest.raises(errors.ResponseLost):
        ask(pay())
    assert len(script.requests) == 1


@pytest.mark.parametrize("value", [b"bytes", float("nan"), float("inf"), {1, 2}, "\ud800"])
def test_what_is_no_json_is_refused_before_anything_is_sent(ask: Any, script: Any, value: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="cannot be written as JSON"):
        ask(images.generate({**PICTURE, "user": value}))
    assert script.requests == []


def test_an_upload_whose_answer_is_lost_is_not_sent_again(ask: Any, script: Any, picture: Path) -> None:
    script.answers.append(b"")
    with pytest.raises(errors.ResponseLost):
        ask(files.upload(picture))
    assert len(script.requests) == 1


@pytest.mark.parametrize("call", [lambda: files.share("file_1"), lambda: files.revoke("file_1")])
def test_a_post_that_changes_nothing_twice_is_repeated(ask: Any, script: Any, call: Callable[[], Call[Any]]) -> None:
    script.say(503, "{}")
    script.say(200, '{"id": "file_1", "public_url": "https://files-cdn.x.ai/t/file_1.png"}')
    assert ask(call()).public_url
    assert len(script.requests) == 2


def test_a_404_on_the_repeat_of_a_delete_is_success(ask: Any, script: Any) -> None:
    script.answers.append(b"")
    script.say(404, '{"code": "not-found", "error": "File not found"}')
    assert ask(files.delete("file_1")).deleted


def test_a_404_on_the_first_delete_is_a_404(ask: Any, script: Any) -> None:
    script.say(404, '{"code": "not-found", "error": "File not found"}')
    with pytest.raises(errors.NotFound):
        ask(files.delete("file_1"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
def test_a_refusal_is_final(ask: Any, script: Any, status: int) -> None:
    script.say(status, '{"code": "x", "error": "no"}')
    with pytest.raises(errors.ApiError) as caught:
        ask(ping())
    assert (len(script.requests), caught.value.permanent, caught.value.status) == (1, True, status)


def test_the_last_attempt_raises_what_it_met(ask: Any, script: Any) -> None:
    for _ in range(3):
        script.say(503, '{"error": "full"}')
    with pytest.raises(errors.ServerUnavailable, match=r"GET /v1/ping answered 503: full"):
        ask(ping(attempts=3))
    assert (len(script.requests), len(ask.slept)) == (3, 2)


def test_nothing_was_sent_where_nothing_listens(ask: Any, script: Any) -> None:
    nowhere = wire.Endpoint("http://127.0.0.1:9/v1", "k", max_attempts=2)
    with pytest.raises(errors.Unreachable) as caught:
        ask(pay(), nowhere)
    assert (caught.value.billed, ask.slept) == (False, [])


def test_a_web_page_is_not_the_api(ask: Any, script: Any) -> None:
    script.say(200, "<html>Welcome to the proxy</html>", content_type="text/html")
    with pytest.raises(errors.NotAnApiResponse, match="text/html instead of a JSON object"):
        ask(ping(attempts=1))


@pytest.mark.parametrize("body", ["[]", "null", "7", '"x"', "{" * 5000, '{"a":' * 100_000, b"\xff\xfe", ""])
def test_what_is_no_json_object_is_not_the_api(ask: Any, script: Any, body: str | bytes) -> None:
    script.say(200, body)
    with pytest.raises(errors.NotAnApiResponse):
        ask(ping(attempts=1))


def test_an_answer_larger_than_its_limit_is_not_taken(ask: Any, script: Any, tmp_path: Path) -> None:
    script.say(200, bytes(2000))
    call = files.content("file_1", tmp_path / "out", limit=1000)
    with pytest.raises(errors.NotAnApiResponse, match="1000 are the most"):
        ask(replace(call, attempts=1))


def test_a_redirect_of_the_api_is_not_followed(ask: Any, script: Any) -> None:
    script.say(302, location="http://127.0.0.1:9/elsewhere")
    with pytest.raises(errors.ApiError):
        ask(ping())
    assert len(script.requests) == 1


def test_a_key_that_the_server_repeats_is_not_shown(ask: Any, script: Any) -> None:
    script.say(400, '{"error": "Incorrect API key provided: xai-secret-key."}')
    with pytest.raises(errors.PermissionDenied) as caught:
        ask(ping())
    assert "xai-secret-key" not in str(caught.value)
    assert "***" in str(caught.value)


def test_the_key_goes_to_the_base_url_only(ask: Any, script: Any, sandbox: Any) -> None:
    script.say(200, "{}")
    ask(ping(), wire.Endpoint(script.url, "xai-secret-key"))
    script.say(200, "{}")
    elsewhere = Call("GET", f"{script.url}/ping", lambda answer: answer.json())
    ask(elsewhere, wire.Endpoint(sandbox.url, "xai-secret-key"))
    assert [b"xai-secret-key" in request for request in script.requests] == [True, False]


def countdown() -> Flow[list[Any]]:
    now = yield Now()
    yield Sleep(5)
    later = yield Now()
    said = yield BlockingCall(lambda: threading.current_thread().name)
    got = yield from ping()
    return [later - now, said, got]


def test_a_flow_gets_the_outcome_of_each_of_its_steps(ask: Any, script: Any) -> None:
    script.say(200, '{"id": 3}')
    passed, thread, got = ask(countdown())
    assert (passed, got) == (5.0, {"id": 3})
    assert (thread == "MainThread") == (ask.driver == "run")


def test_a_flow_may_handle_the_error_of_a_step(ask: Any, script: Any) -> None:
    def careful() -> Flow[str]:
        try:
            yield from ping()
        except errors.NotFound as error:
            return f"handled {error.status}"
        return "not reached"

    script.say(404, "{}")
    assert ask(careful()) == "handled 404"


def test_an_error_of_an_aside_is_the_flows(ask: Any) -> None:
    def broken() -> Flow[None]:
        yield BlockingCall(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        ask(broken())


def test_a_flow_that_is_given_up_is_closed(ask: Any, script: Any) -> None:
    closed = []

    def tidy() -> Flow[None]:
        try:
            yield from ping()
        finally:
            closed.append(True)

    script.say(400, "{}")
    with pytest.raises(errors.InvalidArgument):
        ask(tidy())
    assert closed == [True]


def test_work_of_one_loop_and_endpoint_shares_one_client(sandbox: Any) -> None:
    endpoint = wire.Endpoint(sandbox.url, sandbox.api_key)

    async def main() -> tuple[bool, int]:
        async with wire.shared_client(endpoint) as first, wire.shared_client(endpoint) as second:
            await asyncio.gather(*(wire.arun(endpoint, files.listing()) for _ in range(20)))
            same = first is second
        return same, len(wire._shared.get(asyncio.get_running_loop(), {}))

    assert asyncio.run(main()) == (True, 0)


def test_requests_one_after_another_share_a_connection_and_those_at_once_have_one_each(sandbox: Any) -> None:
    endpoint = wire.Endpoint(sandbox.url, sandbox.api_key, max_in_flight=3)

    async def main() -> list[int]:
        async with wire.shared_client(endpoint) as shared:
            for _ in range(5):
                await wire.arun(endpoint, files.listing())
            clients = [len(shared.idle)]
            await asyncio.gather(*(wire.arun(endpoint, files.listing()) for _ in range(20)))
            return [*clients, len(shared.idle)]

    assert asyncio.run(main()) == [1, 3]


def test_a_loop_that_is_gone_leaves_no_client_behind(sandbox: Any) -> None:
    endpoint = wire.Endpoint(sandbox.url, sandbox.api_key)
    asyncio.run(wire.arun(endpoint, files.listing()))
    gc.collect()
    assert not any(wire._shared.values())


class Lines:
    """Stands between a client and the sandbox, and counts the connections that are made."""

    def __init__(self, port: int) -> None:
        self.port, self.count = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            far = socket.create_connection(("127.0.0.1", self.port))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def lines(sandbox: Any) -> Iterator[Lines]:
    lines = Lines(int(sandbox.url.rpartition(":")[2].removesuffix("/v1")))
    yield lines
    lines.listener.shutdown(socket.SHUT_RDWR)
    lines.listener.close()


def test_all_work_of_a_session_goes_over_one_connection(sandbox: Any, lines: Lines) -> None:
    endpoint = wire.Endpoint(lines.url, sandbox.api_key)
    with wire.session(endpoint) as session:
        session.run(files.listing())
        job_id = session.run(pay()).job_id
        session.run(images.poll(job_id))
        wire.run(endpoint, files.listing(), session=session)
    assert lines.count == 1


def test_a_session_without_calls_opens_no_client_and_a_closed_one_none_again(sandbox: Any) -> None:
    with wire.Session(wire.Endpoint(sandbox.url, sandbox.api_key)) as session:
        assert session.run(quiet()) == "done"
        assert session._client is None
        client = session.client
    assert client.is_closed
    assert session._client is None


def quiet() -> Flow[str]:
    yield Now()
    return "done"


def test_a_session_of_another_endpoint_is_not_used(sandbox: Any, script: Any) -> None:
    script.say(200, "{}")
    with wire.session(wire.Endpoint(sandbox.url, sandbox.api_key)) as session:
        assert wire.run(wire.Endpoint(script.url, "other"), ping(), session=session) == {}
    assert b"Bearer other" in script.requests[0]


def test_steps_are_taken_without_network_and_clock_under_the_retry_rule() -> None:
    plan = wire.steps(wire.Endpoint(key="k", max_attempts=3), countdown())
    assert next(plan) == Now()
    assert plan.send(1.0) == Sleep(5)
    assert plan.send(None) == Now()
    aside = plan.send(6.0)
    assert isinstance(aside, BlockingCall)
    call = plan.send("aside")
    assert isinstance(call, Call)
    pause = plan.send(Answer("GET", call.shown_path, 503, body=b'{"error": "later"}'))
    assert isinstance(pause, Sleep)
    assert plan.send(None) is call
    with pytest.raises(StopIteration) as end:
        plan.send(Answer("GET", call.shown_path, 200, body=b'{"id": 3}'))
    assert end.value.value == [5.0, "aside", {"id": 3}]


def test_an_error_thrown_into_the_steps_is_retried_or_the_flows(sandbox: Any) -> None:
    plan = wire.steps(wire.Endpoint(key="k"), pay())
    assert next(plan).paid  # type: ignore[union-attr]
    with pytest.raises(errors.ResponseLost):
        plan.throw(errors.ResponseLost("lost"))
    with pytest.raises(errors.InvalidRequest, match="costs money"):
        next(wire.steps(wire.Endpoint(key="k"), pay(), may_buy=False))
