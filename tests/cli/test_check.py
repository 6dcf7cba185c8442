"""`airflow-grok check`: a connection that works, and the words for one that does not."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Grok
from tests.dag_run import RunDag


def test_a_connection_that_works_is_told_with_its_team_and_its_address(grok: Grok, run_dag: RunDag) -> None:
    checked = grok("check")
    assert checked.code == 0
    (line,) = checked.out
    assert line.startswith("grok_default: Connected with key ")
    assert line.endswith(run_dag.sandbox.url)
    assert run_dag.sandbox.api_key not in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "xai-wrong"}, "API key"),
        ({"conn_type": "http"}, "is of type 'http'"),
        ({"extra": {"timout": 3}}, "did you mean 'timeout'"),
        ({"extra": {"max_attempts": "many"}}, "max_attempts"),
        ({"extra": {"expires_after": 3}}, "expires_after"),
    ],
)
def test_a_connection_that_does_not_work_fails_in_words(
    grok: Grok, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], words: str
) -> None:
    right = {"conn_type": "grok", "host": run_dag.sandbox.url, "password": run_dag.sandbox.api_key}
    monkeypatch.setenv("AIRFLOW_CONN_GROK_OTHER", json.dumps(right | change))
    failed = grok("check", "grok_other")
    assert (failed.code, failed.out) == (1, [])
    assert "grok_other" in failed.err
    assert words in failed.err
    said = grok("check", "grok_other", "--json")
    (row,) = map(json.loads, said.out)
    assert (said.code, row["works"]) == (1, False)
    assert words in row["message"]


def test_a_connection_that_is_not_there_is_one_sentence(grok: Grok) -> None:
    missing = grok("check", "nobody")
    assert missing.code == 1
    assert len(missing.err.splitlines()) == 1
    assert "nobody" in missing.err
