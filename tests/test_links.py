"""Buttons in the Airflow UI: what they open."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.execution_time.xcom import XCom

from airflow_provider_grok.links import GrokConsoleLink, GrokPublicLink
from airflow_provider_grok.operators.files import GrokShareOperator
from airflow_provider_grok.operators.images import GrokImagineEditOperator

OPERATOR: Any = None
KEY: Any = None


@pytest.mark.parametrize(
    ("pushed", "opened"),
    [
        ("https://files-cdn.x.ai/a.png", "https://files-cdn.x.ai/a.png"),
        ([None, "https://files-cdn.x.ai/b.png", "https://files-cdn.x.ai/c.png"], "https://files-cdn.x.ai/b.png"),
        ([], ""),
        ([None], ""),
        (None, ""),
    ],
)
def test_the_public_link_opens_the_first_link_of_the_task(
    monkeypatch: pytest.MonkeyPatch, pushed: Any, opened: str
) -> None:
    monkeypatch.setattr(XCom, "get_value", lambda ti_key, key: pushed if key == "public_url" else "something else")
    assert GrokPublicLink().get_link(OPERATOR, ti_key=KEY) == opened


def test_the_console_link_is_the_same_for_every_task() -> None:
    assert GrokConsoleLink().get_link(OPERATOR, ti_key=KEY) == "https://console.x.ai"


@pytest.mark.parametrize("operator", [GrokShareOperator, GrokImagineEditOperator])
def test_what_may_have_a_link_has_the_button(operator: type[Any]) -> None:
    assert [type(link) for link in operator.operator_extra_links] == [GrokPublicLink]


def test_buttons_have_names() -> None:
    assert (GrokPublicLink().name, GrokConsoleLink().name) == ("Open result", "xAI console")
