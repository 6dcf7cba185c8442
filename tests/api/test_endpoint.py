"""An endpoint: whose URLs are its own, and what is said of its key."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest

from airflow_provider_grok.api.endpoint import Endpoint, is_loopback

KEY = "xai-0123456789abcdef"


def test_the_key_is_in_no_text_and_not_in_what_is_shown() -> None:
    endpoint = Endpoint(key=KEY)
    assert endpoint.redact(f"Incorrect API key provided: {KEY}.") == "Incorrect API key provided: ***."
    assert KEY not in repr(endpoint)


@pytest.mark.parametrize("key", ["", "k", "key"])
def test_a_key_that_is_a_word_like_any_other_garbles_no_text(key: str) -> None:
    assert Endpoint(key=key).redact("Incorrect API key provided.") == "Incorrect API key provided."


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:8642/v1/files", True),
        ("http://127.0.0.1:8642/files-cdn/a.jpg", True),
        ("http://127.0.0.1:8643/v1/files", False),
        ("https://127.0.0.1:8642/v1/files", False),
        ("http://127.0.0.1:8642@evil.example/v1/files", False),
    ],
)
def test_a_url_is_its_own_by_scheme_host_and_port(url: str, own: bool) -> None:
    endpoint = Endpoint("http://127.0.0.1:8642/v1", KEY)
    assert endpoint.owns(url) is own
    assert endpoint.trusts(url) is own


def test_a_path_becomes_absolute_and_a_url_stays_as_it_is() -> None:
    endpoint = Endpoint("https://api.x.ai/v1/")
    assert endpoint.url("/files") == "https://api.x.ai/v1/files"
    assert endpoint.url("https://imgen.x.ai/a.jpg") == "https://imgen.x.ai/a.jpg"


ODD_KEY = 'gw/key-with+"odd"&signs=%<é>\''.replace("é", "~")


def escaped_json(text: str) -> str:
    return "".join(f"\\u{ord(char):04X}" for char in text)


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        escaped_json,
        lambda key: escaped_json(key).lower(),
        lambda key: key.replace("-", "\\u002d"),
        lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
        lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
        lambda key: quote(key, safe=""),
        lambda key: quote(quote(key, safe=""), safe=""),
        lambda key: "".join(f"%{ord(char):02x}" for char in key),
        html.escape,
        lambda key: html.escape(html.escape(key)),
        lambda key: "".join(f"&#{ord(char)};" for char in key),
        lambda key: "".join(f"&#x{ord(char):X};" for char in key),
    ],
)
def test_the_key_is_found_however_it_is_escaped(key: str, spell: Callable[[str], str]) -> None:
    endpoint, said = Endpoint(key=key), f'{{"error": "you sent Bearer {spell(key)}."}}'
    assert endpoint.redact(said) == '{"error": "you sent Bearer ***."}'
    assert endpoint.redact_bytes(said.encode()) == b'{"error": "you sent Bearer ***."}'


def test_what_is_not_the_key_stays_as_it_is() -> None:
    said = "xai-0123456789ABCDEF xai%2D0123 \\u0078ai &amp; 100 % of xai-"
    assert Endpoint(key=KEY).redact(said) == said
    assert Endpoint(key=KEY).redact_bytes(b"\xff\xfe" + said.encode()) == b"\xff\xfe" + said.encode()


@pytest.mark.parametrize(
    "url", ["https://..x.ai/", "https://.x.ai/", "https://a..x.ai/a", f"https://{'a' * 64}.x.ai/", "https://x.ai../"]
)
def test_a_host_that_is_no_name_is_not_trusted(url: str) -> None:
    assert not Endpoint().trusts(url)


@pytest.mark.parametrize("url", ["http://[::1", "https://[x.ai/", "http://[::1]]/v1"])
def test_a_url_that_cannot_be_read_is_nobodys(url: str) -> None:
    assert not Endpoint().owns(url)
    assert not Endpoint().trusts(url)
    assert not Endpoint(url, KEY).owns("https://api.x.ai/v1")


def test_a_key_over_plain_http_to_another_host_is_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        Endpoint("http://gateway.example/v1", KEY)
    Endpoint("http://gateway.example:8080/v1", KEY)
    for quiet in ("https://gateway.example/v1", "http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:1/v1"):
        Endpoint(quiet, KEY)
    Endpoint("http://keyless.example/v1")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "gateway.example over plain http" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(
            (host, True)
            for host in ("127.0.0.1", "127.255.0.9", "localhost", "LOCALHOST.", "::1", "[::1]", "a.localhost")
        ),
        *((host, True) for host in ("::ffff:127.0.0.1",)),
        *((host, False) for host in ("", "10.0.0.1", "0.0.0.0", "localhost.example", "127.0.0.1.example", "::2")),
    ],
)
def test_this_machine_is_known_by_name_and_address(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
