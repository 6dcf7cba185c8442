"""The chapter on security names the limits that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_grok.api import bodies, deadline, downloads, endpoint, model, retry
from airflow_provider_grok.api.call import MEDIA_LIMIT, Call

CHAPTER = (Path(endpoint.__file__).parents[1] / "docs" / "security.md").read_text()
USUAL = endpoint.Endpoint().timeout


@pytest.mark.parametrize(
    "words",
    [
        f"{Call.limit // 2**20} MiB; {MEDIA_LIMIT // 2**20} MiB where pictures come inside it",
        f"{downloads.FETCH_LIMIT // 2**20} MiB for a file",
        f"{deadline.PATIENCE} times the connection's `timeout` ({deadline.PATIENCE * USUAL / 60:.0f} min by default)",
        f"1 s more for each {deadline.SLOWEST:,} bytes",
        f"the connection's `timeout` ({USUAL:.0f} s)",
        f"waited for in place up to {retry.LONGEST_WAIT:.0f} s",
        f"at most {bodies.DEPTH_LIMIT} objects and lists",
        f"{bodies.MESSAGE_LIMIT} characters, without control characters",
        f"Keys of fewer than {endpoint.SHORTEST_SECRET} characters",
        "five at most",
        "1 to 255 printable ASCII characters",
    ],
)
def test_a_limit_of_the_chapter_is_the_codes(words: str) -> None:
    assert words in CHAPTER


def test_the_limits_in_words_are_the_codes() -> None:
    assert downloads.REDIRECTS == 5
    assert model._PLAIN.fullmatch("x" * 255)
    assert not model._PLAIN.fullmatch("x" * 256)
