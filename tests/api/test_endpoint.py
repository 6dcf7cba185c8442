"""An endpoint: whose URLs are its own, and what is said of its key."""

from __future__ import annotations

import pytest

from airflow_provider_grok.api.endpoint import Endpoint

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
