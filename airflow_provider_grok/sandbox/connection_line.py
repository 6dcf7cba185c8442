"""The line that makes an Airflow connection to the sandbox, to be copied."""

from __future__ import annotations

import json

#: The key of a sandbox that was given no other; it is no secret.
DEFAULT_KEY = "xai-sandbox"


def connection_line(url: str, api_key: str) -> str:
    """Return a shell command that makes the connection `grok_default`.

    :param url: base URL of the sandbox.
    :param api_key: its key; one of your own is not shown.
    """
    connection = json.dumps({"conn_type": "grok", "host": url, "password": shown_key(api_key)})
    return f"export AIRFLOW_CONN_GROK_DEFAULT='{connection}'"


def shown_key(api_key: str) -> str:
    """Return a key as it may be shown: the default one, or a placeholder."""
    return api_key if api_key == DEFAULT_KEY else "YOUR_API_KEY"
