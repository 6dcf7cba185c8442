"""Requests and answers as they pass: the key in no answer and no error, and every trouble an error of ours."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok.api import batches, errors, files, images, outcomes, videos
from airflow_provider_grok.api.answer import Answer
from airflow_provider_grok.api.call import Call

KEY = "xai-secret-key"
ESCAPED = "".join(f"\\u{ord(char):04x}" for char in KEY)
SPELLINGS = [KEY, ESCAPED, KEY.replace("-", "\\u002D"), KEY.replace("-", "%2D"), KEY.replace("-", "&#45;")]


def everything(error: BaseException) -> str:
    """An error as a log shows it, with all that hangs on it."""
    return "".join(traceback.format_exception(error)) + repr(vars(error))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("status", [200, 202, 302, 400, 403, 404, 422, 429, 500, 503])
def test_the_key_is_in_no_error_of_any_status(ask: Any, script: Any, status: int, spelling: str) -> None:
    bodies = [
        f'{{"error": "Bearer {spelling}", "code": "{spelling}"}}',
        f'{{"error": {{"message": "{spelling}", "code": "{spelling}", "param": "{spelling}"}}}}',
        f'{{"message": "{spelling}"}}',
        f'{{"{spelling}": 1}}',
        f'["{spelling}"]',
        f"<html>{spelling}</html>",
    ]
    for body in bodies:
        for call in (images.generate({"prompt": "x"}), files.get("file_1")):
            script.say(status, body, x_request_id=KEY, location=f"http://127.0.0.1:9/{KEY}", content_type=f"a/{KEY}")
            with pytest.raises(errors.GrokError) as caught:
                ask(replace(call, attempts=1))
            assert KEY not in everything(caught.value)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_key_is_in_no_field_of_an_answer(ask: Any, script: Any, spelling: str) -> None:
    script.say(200, f'{{"id": "file_{spelling}", "filename": "{spelling}", "public_url": "https://x.ai/{spelling}"}}')
    assert KEY not in repr(ask(files.get("file_1")))
    script.say(200, f'{{"status": "failed", "error": {{"code": "{spelling}", "message": "{spelling}"}}}}')
    failure = ask(videos.poll("r")).failure
    assert KEY not in everything(failure)
    script.say(200, f'{{"results": [{{"batch_request_id": "{spelling}", "error_message": "{spelling}"}}]}}')
    assert KEY not in repr(ask(outcomes.page("b")))
    script.say(200, f'{{"request_id": "{spelling}"}}')
    assert KEY not in str(ask(images.generate({"prompt": "x"})).job_id)


def test_a_body_in_another_encoding_hides_nothing_from_the_search(ask: Any, script: Any) -> None:
    for encoding in ("utf-16", "utf-32", "utf-16-be"):
        script.say(200, json.dumps({"id": KEY}).encode(encoding))
        with pytest.raises(errors.NotAnApiResponse) as caught:
            ask(replace(files.get("file_1"), attempts=1))
        assert KEY not in everything(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/9.9 xai-secret-key\r\n\r\n",
        b"xai-secret-key xai-secret-key\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nxai-secret-key\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: xai-secret-key\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: xai-secret-key\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: xai-secret-key\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxai-secret-key\r\n",
    ],
)
def test_nothing_hangs_on_the_error_of_a_broken_answer(ask: Any, script: Any, raw: bytes) -> None:
    script.answers.append(raw)
    with pytest.raises(errors.ResponseLost) as caught:
        ask(images.generate({"prompt": "x"}))
    assert KEY not in everything(caught.value)
    assert (caught.value.__cause__, caught.value.outcome_unknown) == (None, True)


@pytest.mark.parametrize("key", ["xai-secret\nkey-1", "xai-secret-key-\u00e9", "xai-secret-key\x00"])
def test_a_key_that_cannot_be_sent_is_not_shown(ask: Any, script: Any, key: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="API key") as caught:
        ask(images.generate({"prompt": "x"}), replace(ask.endpoint, key=key))
    assert not [part for part in (key, repr(key)[1:-1], "xai-secret") if part in everything(caught.value)]
    assert not any(b"POST" in request for request in script.requests)


def test_no_error_shows_user_password_or_query_of_a_url(ask: Any, script: Any, tmp_path: Path) -> None:
    endpoint = replace(ask.endpoint, base_url="http://user:s3cret@127.0.0.1:9/v1", max_attempts=1)
    for call in (files.get("file_1"), Call("GET", "http://user:s3cret@127.0.0.1:9/a?sig=s3cret", str)):
        with pytest.raises(errors.Unreachable) as caught:
            ask(call, endpoint)
        assert "s3cret" not in everything(caught.value)
    for link in ("https://user:s3cret@[::1/a?sig=s3cret", "https://u:s3cret@evil.example/s3cret?sig=s3cret"):
        with pytest.raises(errors.InvalidRequest) as refused:
            ask(files.fetch(ask.endpoint, link, tmp_path / "got"))
        assert "s3cret" not in everything(refused.value)


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "zstd", "x-gzip", "gzip, gzip", "identity, gzip"])
def test_a_packed_body_is_not_unpacked(ask: Any, script: Any, tmp_path: Path, packing: str) -> None:
    for call in (files.get("file_1"), files.content("file_1", tmp_path / "got"), images.generate({"prompt": "x"})):
        script.say(200, "{}", content_encoding=packing)
        with pytest.raises(errors.NotAnApiResponse, match="which nobody asked for") as caught:
            ask(replace(call, attempts=1))
        assert caught.value.outcome_unknown
    assert not (tmp_path / "got").exists()
    assert b"accept-encoding: identity" in script.requests[0].lower()


def test_a_body_that_says_that_it_is_not_packed_is_read(ask: Any, script: Any) -> None:
    script.say(200, '{"id": "file_1"}', content_encoding="identity")
    assert ask(files.get("file_1")).id == "file_1"


ODD_LINKS = [
    "https://..x.ai/",
    "https://a..x.ai/a",
    "https://x.ai:99999/a",
    "https://x.ai:port/a",
    "https://-.x.ai/\ud800",
    "https://x.ai/\ud800",
    f"https://{'a' * 64}.x.ai/a",
    "https://x.ai/a b",
    "https://x.ai/" + "a" * 70_000,
]


@pytest.mark.parametrize("link", ODD_LINKS)
def test_an_odd_link_ends_in_an_error_of_ours(
    ask: Any, link: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(errors.GrokError) as caught:
        ask(files.fetch(ask.endpoint, link, tmp_path / "got"), replace(ask.endpoint, max_attempts=1))
    assert caught.value.never_sent


def test_half_a_surrogate_pair_is_refused_before_it_is_sent(ask: Any, script: Any) -> None:
    for call in (
        lambda: images.generate({"prompt": "half an emoji: \ud83d"}),
        lambda: files.page(filter="name = \ud800"),
        lambda: batches.create("\ud800"),
    ):
        with pytest.raises(errors.InvalidRequest):
            ask(call())
    assert script.requests == []


def test_half_a_surrogate_pair_in_an_answer_becomes_a_question_mark(ask: Any, script: Any) -> None:
    script.say(200, '{"id": "file_1", "filename": "a\\ud83d.png", "purpose": "\\ud83d\\ude00"}')
    file = ask(files.get("file_1"))
    assert (file.filename, file.purpose) == ("a?.png", "\U0001f600")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_number_that_is_none_does_no_harm(ask: Any, script: Any, number: str) -> None:
    done = f'{{"data": [{{"url": "https://imgen.x.ai/a.jpg"}}], "usage": {{"cost_in_usd_ticks": {number}}}}}'
    script.say(200, done)
    result = ask(images.generate({"prompt": "x"})).finished.result
    assert (result.ticks, len(result.data)) == (None, 1)
    script.say(400, f'{{"error": "Rejected by content moderation.", "usage": {{"cost_in_usd_ticks": {number}}}}}')
    with pytest.raises(errors.Moderated) as caught:
        ask(images.generate({"prompt": "x"}))
    assert (caught.value.ticks, caught.value.billed) == (None, None)
    script.say(200, f'{{"batch_id": "b", "cost_breakdown": {{"total_cost_usd_ticks": {number}}}}}')
    assert ask(batches.get("b")).ticks is None


@pytest.mark.parametrize("depth", [200, 600, 900])
@pytest.mark.parametrize("opening", ["[", '{"error":', '{"a":'])
def test_deep_json_that_a_parser_takes_is_no_answer_either(ask: Any, script: Any, depth: int, opening: str) -> None:
    deep = opening * depth + "1" + ("]" if opening == "[" else "}") * depth
    for status in (200, 400):
        script.say(status, f'{{"error": {deep}}}')
        with pytest.raises(errors.GrokError) as caught:
            ask(replace(files.get("file_1"), attempts=1))
        assert caught.value.outcome_unknown


@pytest.mark.parametrize("id", ["a\nb", "a\x1b[2J", "a b", "", "..", "x" * 300, "\u202e", "\x7f"])
def test_an_id_that_could_not_stand_in_a_log_is_refused(ask: Any, script: Any, id: str) -> None:
    for field, call in (("id", files.get("f")), ("batch_id", batches.get("b"))):
        script.say(200, json.dumps({field: id}))
        with pytest.raises(errors.NotAnApiResponse, match="printable"):
            ask(replace(call, attempts=1))
    output = {"file_id": id, "filename": "a.png"}
    script.say(200, json.dumps({"data": [{"url": "https://imgen.x.ai/a.jpg", "file_output": output}]}))
    assert ask(images.generate({"prompt": "x"})).finished.result.data[0].file_output is None


@pytest.mark.parametrize("trouble", [KeyError("a"), RecursionError(), OverflowError(), errors.InvalidRequest("bad id")])
def test_an_answer_that_cannot_be_read_is_no_fault_of_the_caller(ask: Any, script: Any, trouble: Exception) -> None:
    def read(answer: Answer) -> Any:
        raise trouble

    script.say(200, "{}")
    with pytest.raises(errors.NotAnApiResponse, match="makes no sense") as caught:
        ask(Call("POST", "/images/generations", read, body={}, paid=True))
    assert (caught.value.outcome_unknown, caught.value.__context__) == (True, None)


def test_a_file_that_is_not_there_stays_trouble_with_a_file(ask: Any, script: Any, tmp_path: Path) -> None:
    path = tmp_path / "mug.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    call = files.upload(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        ask(call)
    assert script.requests == []


@pytest.mark.parametrize(
    "call",
    [
        images.generate({"prompt": f"a mug, {KEY}"}),
        images.edit({"prompt": "x", "image": {"url": f"https://x.ai/a?{KEY}"}}),
        files.page(filter=f'name = "{KEY}"'),
        batches.add("b", [{"prompt": KEY}]),
    ],
)
def test_a_request_that_holds_the_key_itself_is_not_sent(ask: Any, script: Any, call: Call[Any]) -> None:
    with pytest.raises(errors.InvalidRequest, match="holds the connection's API key itself") as caught:
        ask(call)
    assert KEY not in everything(caught.value)
    assert (script.requests, caught.value.never_sent) == ([], True)


def test_a_key_with_characters_that_json_escapes_is_found_too(ask: Any, script: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="API key itself"):
        ask(images.generate({"prompt": 'a "quoted" key'}), replace(ask.endpoint, key='"quoted"'))
    assert script.requests == []
