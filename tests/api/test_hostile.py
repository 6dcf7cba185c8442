"""Answers meant to harm: links that lead elsewhere, bombs, endless bodies, ids and names made to be misread."""

from __future__ import annotations

import json
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import account, batches, deadline, errors, files, images, jobs, outcomes, videos
from airflow_provider_grok.api.call import Call
from airflow_provider_grok.api.endpoint import Endpoint

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
FOREIGN = [
    "https://evil.example/a.png",
    "https://x.ai.evil.example/a.png",
    "https://evil-x.ai/a.png",
    "https://x.ai@evil.example/a.png",
    "https://files.x.ai:443@evil.example/a.png",
    "https://evil.example\\.x.ai/a.png",
    "https://evil.example\\@files.x.ai/a.png",
    "https://evil.example#.x.ai",
    "https://evil.example?.x.ai",
    "https://evil.example%2f.x.ai/a.png",
    "https://evil.example%00.x.ai/a.png",
    "https://evil.example\t.x.ai/a.png",
    "https://evil.example\r\nhost: files.x.ai/",
    "https://\u0445.ai/a.png",  # a Cyrillic kha
    "https://x.\uff41i/a.png",  # a full-width a
    "https://x\u3002ai/a.png",  # an ideographic full stop
    "https://xn--a1a.ai/a.png",
    "https://[::1/a.png",
    "https://[::ffff:169.254.169.254]/latest/meta-data",
    "https://169.254.169.254/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "http://metadata.google.internal/",
    "http://files.x.ai/a.png",
    "http://127.0.0.1:22/",
    "file:///etc/passwd",
    "FILE://x.ai/etc/passwd",
    "ftp://files.x.ai/a.png",
    "gopher://files.x.ai/",
    "javascript:alert(1)",
    "//evil.example/a.png",
    "https:///files.x.ai/a.png",
    "https:files.x.ai",
    " https://files.x.ai/a.png",
    "",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_a_link_that_leads_elsewhere_is_not_followed(buy: Any, tmp_path: Path, url: str) -> None:
    endpoint = Endpoint("https://api.x.ai/v1", "xai-secret-key", download_hosts=("cdn.example",))
    with pytest.raises(errors.InvalidRequest, match="not fetched") as caught:
        buy(files.fetch(endpoint, url, tmp_path / "got"), endpoint)
    assert not (tmp_path / "got").exists()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "url", ["https://user@files.x.ai/a", "https://cdn.example@evil.example/a", "http://cdn.example"]
)
def test_an_allowed_host_is_allowed_plainly_and_over_https_alone(url: str) -> None:
    assert not Endpoint(download_hosts=("cdn.example",)).trusts(url)


class Listener:
    """Another host, as far as this machine has any: it keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.heard.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")


@pytest.fixture
def elsewhere() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.socket.shutdown(socket.SHUT_RDWR)
    listener.socket.close()
    listener.thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_api_call_goes_nowhere_and_takes_no_key_with_it(
    ask: Any, script: Any, elsewhere: Listener, status: int
) -> None:
    script.say(status, location=f"http://{elsewhere.address}/v1/files/file_1")
    with pytest.raises(errors.ApiError):
        ask(files.get("file_1"))
    script.say(status, location=f"http://{elsewhere.address}/v1/images/generations")
    with pytest.raises(errors.ApiError):
        ask(images.generate({"prompt": "x"}))
    assert elsewhere.heard == []


@pytest.mark.parametrize("location", ["http://{}/a", "//{}/a", "http://user@{}/a", "HTTP://{}/a"])
def test_a_result_that_redirects_off_the_list_is_not_fetched(
    ask: Any, script: Any, elsewhere: Listener, tmp_path: Path, location: str
) -> None:
    script.say(302, location=location.format(elsewhere.address))
    with pytest.raises(errors.InvalidRequest, match="not fetched"):
        ask(files.fetch(ask.endpoint, f"{script.url}/a", tmp_path / "got"))
    assert elsewhere.heard == []


def test_a_full_url_of_another_host_is_asked_without_the_key(ask: Any, elsewhere: Listener) -> None:
    ask(Call("GET", f"http://{elsewhere.address}/v1/files/file_1", lambda answer: answer.json()))
    assert b"authorization" not in elsewhere.heard[0].lower()
    assert b"xai-secret-key" not in elsewhere.heard[0]


def test_the_key_is_in_no_error_though_the_server_repeats_it(ask: Any, script: Any) -> None:
    for status in (400, 500, 503, 503, 503, 503, 503):
        script.say(status, '{"error": "you sent Bearer xai-secret-key"}')
    for call in (files.get("file_1"), images.generate({"prompt": "x"})):
        with pytest.raises(errors.ApiError) as caught:
            ask(call)
        assert "xai-secret-key" not in str(caught.value)


@pytest.mark.parametrize("size", ["10737418240", "9" * 4000])
def test_an_answer_that_announces_ten_gigabytes_is_not_begun(ask: Any, script: Any, tmp_path: Path, size: str) -> None:
    for _ in range(10):
        script.answers.append(OK + b"content-length: " + size.encode() + b"\r\n\r\n" + bytes(1000))
    with pytest.raises(errors.ResponseLost):
        ask(replace(files.get("file_1"), attempts=1))
    with pytest.raises(errors.ResponseLost):
        ask(replace(files.content("file_1", tmp_path / "got"), attempts=1))


def test_a_gzip_bomb_is_left_after_its_limit(buy: Any, script: Any, tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    header = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    # A mebibyte of nothing, which can be said again and again: half a gibibyte in half a megabyte.
    bomb = header + (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)) * 512
    head = OK + f"content-encoding: gzip\r\ncontent-length: {len(bomb)}\r\n\r\n".encode()
    endpoint = Endpoint(script.url, "xai-secret-key")
    script.answers += [head + bomb, head + bomb]
    tracemalloc.start()
    try:
        with pytest.raises(errors.NotAnApiResponse, match="the most"):
            buy(replace(files.get("file_1"), attempts=1), endpoint)
        with pytest.raises(errors.NotAnApiResponse, match="the most"):
            buy(replace(files.content("file_1", tmp_path / "got", limit=2**20), attempts=1), endpoint)
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("opening", ["[", '{"error":', '{"usage":', '{"data":[{"file_output":', '{"a":['])
def test_json_nested_a_hundred_thousand_deep_is_no_answer(ask: Any, script: Any, opening: str) -> None:
    deep = opening * 100_000
    for status, call in ((200, files.get("file_1")), (200, jobs.poll(jobs.Job("image", "r", 0.0)))):
        script.say(status, deep)
        with pytest.raises(errors.ResponseLost):
            ask(replace(call, attempts=1))
    script.say(400, deep)
    with pytest.raises(errors.InvalidArgument) as caught:
        ask(files.get("file_1"))
    assert len(str(caught.value)) < 2000


class Dripper:
    """A server whose answer never ends: a byte now and then."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._drip, daemon=True)
        self.thread.start()

    def _drip(self) -> None:
        while not self.enough.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(OK + b"connection: close\r\n\r\n{")
                    while not self.enough.wait(0.01):
                        connection.sendall(b" ")
                except OSError:
                    continue


@pytest.fixture
def dripper() -> Iterator[Dripper]:
    server = Dripper()
    yield server
    server.enough.set()
    server.socket.shutdown(socket.SHUT_RDWR)
    server.socket.close()
    server.thread.join()


def test_a_body_that_never_ends_is_left_also_where_it_goes_to_a_file(
    buy: Any, dripper: Dripper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A third of a second as a whole, but ten for a single byte: a busy machine may be slow to drip.
    monkeypatch.setattr(deadline, "PATIENCE", 0.03)
    endpoint = Endpoint(dripper.url, "k", timeout=10)
    with pytest.raises(errors.ResponseLost, match="trickling"):
        buy(replace(files.get("file_1"), attempts=1), endpoint)
    with pytest.raises(errors.ResponseLost, match="trickling"):
        buy(replace(files.content("file_1", tmp_path / "got"), attempts=1), endpoint)


def test_headers_of_a_megabyte_are_an_answer_lost(ask: Any, script: Any) -> None:
    script.answers += [OK + b"x-long: " + b"a" * 2**20 + b"\r\n\r\n{}", OK + b"x: y\r\n" * 2**18 + b"\r\n{}"]
    for _ in range(2):
        with pytest.raises(errors.ResponseLost):
            ask(replace(files.get("file_1"), attempts=1))


@pytest.mark.parametrize("text", ["OK", "true", "null", "[]", "1", '"id"', "<html>", "\x00\x01", "NaN", "{"])
def test_a_200_with_anything_but_an_object_is_no_answer(ask: Any, script: Any, text: str) -> None:
    for call in (files.get("file_1"), account.key(), batches.get("b1"), outcomes.page("b1"), images.poll("r")):
        script.say(200, text)
        with pytest.raises(errors.NotAnApiResponse, match=r"instead of a JSON object|is no"):
            ask(replace(call, attempts=1))


@pytest.mark.parametrize("after", ["31536000", "1e400", "inf", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_huge_retry_after_is_not_waited_for(ask: Any, script: Any, after: str) -> None:
    for call in (files.get("file_1"), images.generate({"prompt": "x"})):
        script.say(429, "{}", retry_after=after)
        with pytest.raises(errors.RateLimited):
            ask(call)
    assert ask.slept == []


@pytest.mark.parametrize(
    "after", ["-5", "nan", "soon", "Fri, 31 Dec 99999 23:59:59 GMT", "Mon, 1 Jan 0001 00:00:00 GMT"]
)
def test_a_retry_after_that_means_nothing_is_waited_for_as_usual(ask: Any, script: Any, after: str) -> None:
    script.say(429, "{}", retry_after=after)
    script.say(200, '{"id": "file_1"}')
    assert ask(files.get("file_1")).id == "file_1"
    assert 0 <= ask.slept[0] <= 1


def test_numbers_below_zero_and_beyond_all_bounds_do_no_harm(ask: Any, script: Any) -> None:
    huge = "1" + "0" * 400
    script.say(200, f'{{"status": "pending", "progress": {huge}}}')
    assert ask(videos.poll("r")) == jobs.Progress("pending")
    script.say(200, '{"status": "pending", "progress": -1}')
    assert ask(videos.poll("r")).done is None
    script.say(200, f'{{"id": "f", "expires_at": {huge}, "public_url": "javascript:alert(1)"}}')
    file = ask(files.get("f"))
    assert (file.expires_at, file.public_url) == (None, None)
    script.say(200, '{"status": "done", "video": {"url": "https://x.ai/a"}, "usage": {"cost_in_usd_ticks": -5}}')
    assert ask(videos.poll("r")).result.ticks is None


@pytest.mark.parametrize("id", ["../../files/file_1", "a/b", "a?b=c", "a#b", "%2e%2e", "a b", "ä"])
def test_an_id_of_the_server_stays_one_part_of_a_path(ask: Any, script: Any, id: str) -> None:
    script.say(200, '{"status": "pending"}')
    ask(images.poll(id))
    path = script.requests[0].split(b" ")[1].decode()
    assert path.startswith("/v1/images/")
    assert path.count("/") == 3
    assert not {"?", "#"} & set(path)


@pytest.mark.parametrize("id", ["..", ".", "a\nb", "a\x1b[2J", "x" * 300, "", 7, None, ["a"]])
def test_a_job_id_that_is_none_counts_as_a_lost_answer(ask: Any, script: Any, id: Any) -> None:
    script.say(200, json.dumps({"request_id": id}))
    with pytest.raises(errors.NotAnApiResponse, match="neither a request_id nor a result"):
        ask(images.generate({"prompt": "x"}))


@pytest.mark.parametrize("id", ["../x", "a/b", "..", "", "a\n", "a?b"])
def test_ids_of_files_and_batches_that_are_none_are_refused_before_anything_is_sent(script: Any, id: str) -> None:
    for make in (files.get, files.delete, files.share, files.revoke, batches.get, batches.cancel, outcomes.page):
        with pytest.raises(errors.InvalidRequest, match="is no"):
            make(id)
    assert script.requests == []


@pytest.mark.parametrize(
    "words", ["\x1b]0;owned\x07\x1b[2J", "a\r\nERROR forged line", "\u202egpj.exe", "\x9b31m", "x" * 10_000, "\x00"]
)
def test_words_of_the_server_come_out_of_errors_harmless(ask: Any, script: Any, words: str) -> None:
    shapes: list[Any] = [
        {"error": words},
        {"code": words, "error": words},
        {"error": {"message": words, "code": words}},
        {"message": words},
        [words],
    ]
    for shape in shapes:
        script.say(400, json.dumps(shape), x_request_id="r\x9b1")
        with pytest.raises(errors.InvalidArgument) as caught:
            ask(files.get("file_1"))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 2000
    script.say(200, json.dumps({"status": "failed", "error": {"code": words, "message": words}}))
    failure = ask(videos.poll("r")).failure
    assert str(failure).isprintable()


def test_a_listing_that_repeats_itself_ends(ask: Any, script: Any) -> None:
    page = json.dumps({"data": [{"id": f"file_{number}"} for number in range(100)], "pagination_token": "again"})
    for _ in range(5):
        script.say(200, page)
    assert len(ask(files.listing())) == 100
    assert len(script.requests) == 2
