"""The Airflow connection as an endpoint, its defaults, and its test in words."""

from __future__ import annotations

import re
import time as real_time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_grok import get_provider_info
from airflow_provider_grok.api import files
from airflow_provider_grok.api.errors import InvalidRequest
from airflow_provider_grok.api.kinds import KINDS
from airflow_provider_grok.hooks import grok
from airflow_provider_grok.hooks.connection import EXTRAS
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import connect

KEY = "xai-a-key-nobody-may-see"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://api.x.ai/v1"),
        ({"host": ""}, "https://api.x.ai/v1"),
        ({"host": "https://api.x.ai/v1/"}, "https://api.x.ai/v1"),
        ({"host": "https://api.x.ai"}, "https://api.x.ai/v1"),
        ({"host": "api.x.ai"}, "https://api.x.ai/v1"),
        ({"host": "127.0.0.1", "port": 8642, "schema": "http"}, "http://127.0.0.1:8642/v1"),
        ({"host": "http://127.0.0.1", "port": 8642}, "http://127.0.0.1:8642/v1"),
        ({"host": "http://127.0.0.1:8642", "port": 1}, "http://127.0.0.1:8642/v1"),
        ({"host": "https://proxy.example/grok/v1"}, "https://proxy.example/grok/v1"),
        ({"host": "https://proxy.example/grok", "port": 444}, "https://proxy.example:444/grok"),
        ({"host": "https://gateway.example/v1/account/grok"}, "https://gateway.example/v1/account/grok"),
        ({"host": "127.0.0.1:8642/v1"}, "http://127.0.0.1:8642/v1"),
        ({"host": "localhost", "port": 8642}, "http://localhost:8642/v1"),
        ({"host": "[::1]:8642"}, "http://[::1]:8642/v1"),
        ({"host": "api.x.ai", "schema": "v1"}, "https://api.x.ai/v1"),
    ],
)
def test_the_host_becomes_the_base_url(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], url: str) -> None:
    connect(monkeypatch, password=KEY, **fields)
    assert GrokHook().endpoint.base_url == url


@pytest.mark.parametrize("host", ["https://me:pw@api.x.ai/v1", "ftp://api.x.ai", "https://api.x.ai/v1?a=b", "a b"])
def test_a_host_that_is_no_base_url_is_refused_with_an_example(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    connect(monkeypatch, password=KEY, host=host)
    with pytest.raises(InvalidRequest, match=r"is no base URL: .*Give one like https://api\.x\.ai/v1"):
        _ = GrokHook().endpoint


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("grok://:xai-KEY@api.x.ai/v1", "https://api.x.ai/v1"),
        ("grok://:xai-KEY@api.x.ai", "https://api.x.ai/v1"),
        ("grok://:xai-KEY@proxy.example:8443/grok%2Fv1", "https://proxy.example:8443/grok/v1"),
        ("grok://:xai-KEY@127.0.0.1:8642/v1", "http://127.0.0.1:8642/v1"),
        ("grok://https://:xai-KEY@api.x.ai/v1", "https://api.x.ai/v1"),
        ("grok://:xai-KEY@/", "https://api.x.ai/v1"),
    ],
)
def test_a_uri_means_what_it_says(monkeypatch: pytest.MonkeyPatch, uri: str, url: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GROK_DEFAULT", uri)
    assert (GrokHook().endpoint.base_url, GrokHook().endpoint.key) == (url, "xai-KEY")


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"host": "https://api.x.ai/v1/images/generations"}, "the base URL alone is https://api.x.ai/v1."),
        ({"host": "https://api.x.ai/images/edits"}, "the base URL alone is https://api.x.ai/v1."),
        ({"host": "https://proxy.example/grok/v1/files"}, "the base URL alone is https://proxy.example/grok/v1."),
        ({"host": "https://me:hush@api.x.ai/v1"}, "it has a user before the host"),
        ({"host": "https://api.x.ai/v1?token=hush"}, "it has a query"),
        ({"host": "hush://api.x.ai"}, "neither https:// nor http://"),
        ({"host": "xai-hush12345"}, "it looks like an API key, which belongs into the password"),
        ({"password": "", "login": "xai-hush"}, "The API key belongs into the password"),
        ({"conn_type": "http"}, "is of type 'http', not 'grok'"),
        ({"timeout": "hush"}, "extra timeout (text of 4 characters) is no number of at least 1"),
        ({"timeout": True}, "extra timeout (a bool) is no number"),
        ({"max_cost_usd": ["hush"]}, "extra max_cost_usd (a list) is no number of at least 0"),
        (
            {"download_hosts": "a.example, https://me:hush@b.example/"},
            "Entry 2 of the connection's extra download_hosts",
        ),
        ({"download_hosts": ["*.hush.example"]}, "there are no wildcards"),
        ({"download_hosts": {"hush": 1}}, "download_hosts (a dict) is neither text with commas nor a list"),
    ],
)
def test_what_is_in_the_wrong_place_is_told_with_the_remedy_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], remedy: str
) -> None:
    connect(monkeypatch, **{"password": KEY, **fields})
    with pytest.raises(InvalidRequest) as caught:
        _ = (GrokHook().endpoint, GrokHook().settings)
    assert remedy in str(caught.value)
    assert "hush" not in str(caught.value)
    good, words = GrokHook().test_connection()
    assert (good, words) == (False, str(caught.value))


def test_extras_that_mean_nothing_are_named_with_what_may_have_been_meant(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect(monkeypatch, sandbox, max_cost_us=1, region="hush")
    good, words = GrokHook().test_connection()
    assert not good
    assert "'max_cost_us' (did you mean 'max_cost_usd'?), 'region'." in words
    assert "Connection 'grok_default' has extras that mean nothing: 'max_cost_us'" in caplog.text
    assert "hush" not in caplog.text + words


CHAPTER = Path(grok.__file__).parents[1] / "docs" / "connection.md"


def test_the_form_says_what_the_manual_says() -> None:
    lines = CHAPTER.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    manual = {cell[0].strip("`"): cell[1:] for cell in cells if len(cell) == 3}
    info: dict[str, Any] = get_provider_info()  # type: ignore[no-untyped-call]
    fields = info["connection-types"][0]["conn-fields"]
    assert {name: manual[name][1].replace("`", "") for name in EXTRAS} == {
        name: field["description"] for name, field in fields.items()
    }
    defaults = {name: str(one["schema"]["default"]) for name, one in fields.items() if "default" in one["schema"]}
    assert {name: manual[name][0] for name in defaults} == defaults
    waits = [f"{KINDS[kind].recovery_wait:.0f}" for kind in ("image", "video", "batch")]
    assert re.findall(r"\d+", manual["recovery_wait"][0]) == waits


def test_the_form_has_a_field_for_each_extra_that_is_read() -> None:
    info: dict[str, Any] = get_provider_info()  # type: ignore[no-untyped-call]
    assert tuple(info["connection-types"][0]["conn-fields"]) == EXTRAS


@pytest.mark.parametrize("key", ["", "  ", "xai-two words", "xai-zero\u200bwidth", "xai-line\nend"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    connect(monkeypatch, password=key)
    with pytest.raises(InvalidRequest) as caught:
        _ = GrokHook().endpoint
    assert "'grok_default'" in str(caught.value)
    assert not key.strip() or key not in str(caught.value)


def test_a_key_is_used_without_the_blanks_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, password=f" {KEY}\n")
    assert GrokHook().endpoint.key == KEY


def test_extras_are_read_from_numbers_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    extras: dict[str, Any] = {
        "timeout": "12.5",
        "max_attempts": 2,
        "max_in_flight": "4",
        "download_hosts": "a.example, https://B.example/v1 c.example:8443",
    }
    connect(monkeypatch, password=KEY, expires_after="7200", max_cost_usd=0, recovery_wait="0", **extras)
    hook = GrokHook()
    end = hook.endpoint
    assert (end.timeout, end.max_attempts, end.max_in_flight) == (12.5, 2, 4)
    assert end.download_hosts == ("a.example", "b.example", "c.example:8443")
    assert (hook.settings.expires_after, hook.settings.max_cost_usd, hook.settings.recovery_wait) == (7200, 0.0, 0.0)


def test_extras_that_are_left_empty_are_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    extras: dict[str, Any] = dict.fromkeys(
        ("timeout", "max_attempts", "expires_after", "max_cost_usd", "recovery_wait"), ""
    )
    connect(monkeypatch, password=KEY, **extras, download_hosts=None)
    hook = GrokHook()
    assert (hook.endpoint.timeout, hook.endpoint.max_attempts, hook.endpoint.download_hosts) == (60.0, 5, ())
    assert (hook.settings.expires_after, hook.settings.max_cost_usd, hook.settings.recovery_wait) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("timeout", 0, "at least 1"),
        ("timeout", "-5", "at least 1"),
        ("max_attempts", -1, "at least 1"),
        ("max_in_flight", 0.5, "at least 1"),
        ("timeout", "inf", "at least 1"),
    ],
)
def test_an_extra_out_of_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any, bounds: str
) -> None:
    connect(monkeypatch, password=KEY, **{name: value})
    with pytest.raises(InvalidRequest, match=f"extra {name}={value!r} is no number of {bounds}"):
        _ = GrokHook().endpoint


@pytest.mark.parametrize("value", [3599, 2_592_001, "a week"])
def test_a_teams_life_of_files_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    connect(monkeypatch, password=KEY, expires_after=value)
    with pytest.raises(InvalidRequest, match="is no number of 3600 to 2592000"):
        _ = GrokHook().settings


def test_no_secret_is_in_what_is_shown_of_a_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, password=KEY)
    hook = GrokHook()
    shown = f"{hook!r} {hook} {hook.endpoint!r} {hook.endpoint} {hook.settings!r} {hook.get_conn()!r}"
    assert KEY not in shown
    assert "nobody" not in shown


def test_no_secret_is_in_an_error_even_if_the_server_repeats_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox, password=KEY)
    for status in (400, 401, 404, 429):
        action = {"status": status, "body": {"error": f"No: {KEY}"}, "headers": {"retry-after": "100"}}
        sandbox.faults.add({"path": "/v1/files/x", "action": action})
        with pytest.raises(Exception, match="No") as caught:
            GrokHook().run(files.get("x"))
        assert KEY not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


# -- test connection -----------------------------------------------------------------------------------------------


def key_that_is(sandbox: Sandbox, **fields: Any) -> None:
    card = {"name": "ci", "team_id": "t-1", "acls": ["api-key:model:*", "api-key:endpoint:*"], **fields}
    sandbox.faults.add({"path": "/v1/api-key", "action": {"status": 200, "body": card}})


def test_a_good_connection_names_key_and_team_and_costs_nothing(sandbox: Sandbox) -> None:
    good, words = GrokHook().test_connection()
    assert good
    assert words.startswith("Connected with key 'sandbox key' of team ")
    assert [one["path"] for one in sandbox.journal] == ["/v1/api-key"]
    assert sandbox.ledger.charges == []


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("team_blocked", "the team is blocked"),
        ("api_key_blocked", "the key is blocked"),
        ("api_key_disabled", "the key is disabled"),
    ],
)
def test_a_key_that_may_not_be_used_is_told_in_words(sandbox: Sandbox, field: str, words: str) -> None:
    key_that_is(sandbox, **{field: True})
    good, said = GrokHook().test_connection()
    assert not good
    assert words in said
    assert "xAI console" in said


def test_a_key_that_lacks_a_right_is_told_which(sandbox: Sandbox) -> None:
    key_that_is(sandbox, acls=["api-key:model:*"])
    good, words = GrokHook().test_connection()
    assert not good
    assert "lacks the rights api-key:endpoint" in words


def test_a_key_without_a_list_of_rights_is_not_restricted(sandbox: Sandbox) -> None:
    key_that_is(sandbox, acls=[])
    assert GrokHook().test_connection()[0]


def test_a_wrong_key_is_told_in_words_and_not_shown(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox, password=KEY)
    good, words = GrokHook().test_connection()
    assert not good
    assert "Incorrect API key" in words
    assert "Check the API key (the connection's password)" in words
    assert KEY not in words


def test_a_missing_key_is_told_in_words(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, sandbox, password="")
    good, words = GrokHook().test_connection()
    assert not good
    assert "'grok_default' has no API key. Put it into the connection's password" in words


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, web_page: Callable[[int], str], status: int
) -> None:
    connect(monkeypatch, host=web_page(status), password=KEY)
    good, words = GrokHook().test_connection()
    assert not good
    assert "text/html instead of a JSON object" in words
    assert "Check the connection's host" in words


def test_nothing_listening_is_told_in_words_without_delay(monkeypatch: pytest.MonkeyPatch, unused: str) -> None:
    connect(monkeypatch, host=f"http://{unused}", password=KEY)
    began = real_time.monotonic()
    good, words = GrokHook().test_connection()
    assert not good
    assert f"nothing answers at {unused}" in words
    assert "airflow-grok sandbox" in words
    assert real_time.monotonic() - began < 1


def test_a_server_in_trouble_is_told_in_words(sandbox: Sandbox) -> None:
    sandbox.faults.add({"path": "/v1/api-key", "action": {"status": 503}})
    good, words = GrokHook().test_connection()
    assert not good
    assert "answered 503" in words
