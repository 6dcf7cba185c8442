"""Where downloads go: never outside the folder, never on top of each other."""

from __future__ import annotations

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
        ("a b(1).png", "a b(1).png"),
        ("写真.png", "写真.png"),
        ("Becher für Köln.png", "Becher für Köln.png"),
        ('a:b*c?d"e<f>g|h.png', "a_b_c_d_e_f_g_h.png"),
        ("a\x00b\u202egnp.exe", "a_b_gnp.exe"),
        ("ends in dots. . ", "ends in dots"),
        ("a;b#c.png", "a;b#c.png"),
        ("/", "file_1"),
        ("", "file_1"),
        ("...", "file_1"),
    ],
)
def test_a_servers_name_becomes_a_plain_one(name: str, safe: str) -> None:
    assert safe_name(name, "file_1") == safe


def test_a_long_name_keeps_its_ending_and_whole_letters() -> None:
    short = safe_name("写" * 300 + ".png", "file_1")
    assert short.endswith("写.png")
    assert len(short.encode()) <= 200


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_no_name_is_a_path_or_hidden_or_empty_or_too_long(name: str) -> None:
    safe = safe_name(name, "file_1")
    assert safe
    assert not set(safe) & set('/\\:*?"<>|\x00\n')
    assert not safe.startswith(".")
    assert not safe.endswith((".", " "))
    assert len(safe.encode()) <= 200
