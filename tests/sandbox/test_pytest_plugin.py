"""The fixture for users' own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import httpx

from airflow_provider_grok.sandbox.server import Sandbox


def test_the_connection_points_at_the_sandbox(grok_sandbox: Sandbox) -> None:
    connection = json.loads(os.environ["AIRFLOW_CONN_GROK_DEFAULT"])
    assert connection == {"conn_type": "grok", "host": grok_sandbox.url, "password": grok_sandbox.api_key}
    headers = {"authorization": f"Bearer {connection['password']}"}
    assert httpx.get(f"{connection['host']}/me", headers=headers).status_code == 200


def test_it_is_strict(grok_sandbox: Sandbox) -> None:
    headers = {"authorization": f"Bearer {grok_sandbox.api_key}"}
    refused = httpx.post(f"{grok_sandbox.url}/images/generations", headers=headers, json={"prompt": "x", "colour": 1})
    assert refused.json()["error"] == "Argument not supported: colour"


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, airflow_provider_grok.sandbox.pytest_plugin; "
        "print([name for name in ('airflow', 'starlette', 'PIL', 'av', 'httpx', 'uvicorn') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
