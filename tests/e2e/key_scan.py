"""Looking for an API key where none may be: in everything an Airflow leaves on disk, and in what it keeps encrypted."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing

from cryptography.fernet import Fernet

from .live import LiveAirflow


def leaks(airflow: LiveAirflow, key: str) -> list[str]:
    """Where the key lies: logs of components, tasks and triggers, the database with XComs and rendered fields.

    :param key: the key; also its base64 form is looked for
    :return: names of files; empty is good
    """
    forms = [key.encode(), base64.b64encode(key.encode()).rstrip(b"=")]
    found = [file for file in airflow.files() if any(form in file.read_bytes() for form in forms)]
    return [str(file.relative_to(airflow.home)) for file in found]


def trigger_rows(airflow: LiveAirflow) -> list[str]:
    """What the triggers that wait now were given, decrypted where Airflow encrypted it (it does not always)."""
    cipher = Fernet(airflow.environment["AIRFLOW__CORE__FERNET_KEY"].encode())
    with closing(sqlite3.connect(f"file:{airflow.home / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as database:
        rows = [str(row[0]) for row in database.execute("SELECT kwargs FROM trigger")]
    return [row if row.startswith("{") else cipher.decrypt(row.encode()).decode() for row in rows]
