"""Where downloads go: never outside the folder, never on top of each other."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_grok.flows.files.download import safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("hero.png", "hero.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        (".bashrc", "bashrc"),
        ("a b(1).png", "a b_1_.png"),
        ("/", "file_1"),
        ("", "file_1"),
        ("...", "file_1"),
    ],
)
def test_a_servers_name_becomes_a_plain_one(name: str, safe: str) -> None:
    assert safe_name(name, "file_1") == safe


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=400))
def test_no_name_is_a_path_or_hidden_or_empty(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._ -]{0,199}|[A-Za-z0-9._ -]{200}", safe_name(name, "file_1"))
