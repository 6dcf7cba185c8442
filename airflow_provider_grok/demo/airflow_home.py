"""What the demo runs on: the example DAGs, and an Airflow home of its own that is gone afterwards."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from airflow_provider_grok.demo.examples import MAIN_EXAMPLE, example_dags

#: In the plugins folder: a foreign web page cannot reach the UI under a name of its own for 127.0.0.1.
HOST_GUARD = """
from airflow.plugins_manager import AirflowPlugin
from starlette.middleware.trustedhost import TrustedHostMiddleware


class DemoHostGuard(AirflowPlugin):
    name = "grok_demo_host_guard"
    fastapi_root_middlewares = [
        {
            "middleware": TrustedHostMiddleware,
            "kwargs": {"allowed_hosts": ["127.0.0.1", "localhost"]},
            "name": "only names of this machine",
        }
    ]
"""
USER = "admin"
CONNECTION_VARIABLE = "AIRFLOW_CONN_GROK_DEFAULT"


class AirflowHome:
    """A temporary AIRFLOW_HOME with the example DAGs, for the length of a `with` block.

    :param url: base URL of the API.
    :param key: API key.
    :param ui: whether a whole Airflow is to run on it: then all examples are there.
    :param paused: whether the examples begin paused: with a real key, an unpaused one may buy by its schedule.
    """

    def __init__(self, url: str, key: str, *, ui: bool, paused: bool = False) -> None:
        self._connection = json.dumps({"conn_type": "grok", "host": url, "password": key})
        self.ui = ui
        self._paused = paused
        #: Of the one user of the UI, `USER`: other people on this machine are not let in.
        self.password = secrets.token_urlsafe(12)
        self.port = _free_port()

    def __enter__(self) -> AirflowHome:
        """Make it."""
        self.folder = Path(tempfile.mkdtemp(prefix="grok-demo-airflow-"))
        source, dags = example_dags(), self.folder / "dags"
        dags.mkdir()
        # Before every run `dag.test()` reads the whole folder, so it holds no more than is needed.
        for file in source.glob("*.py" if self.ui else MAIN_EXAMPLE):
            shutil.copy(file, dags)
        shutil.copytree(source / "photos", dags / "photos")
        self.dag_file = dags / MAIN_EXAMPLE
        (self.folder / "plugins").mkdir()
        (self.folder / "plugins" / "demo_host_guard.py").write_text(HOST_GUARD, encoding="utf-8")
        self._passwords.touch(mode=0o600)
        self._passwords.write_text(json.dumps({USER: self.password}), encoding="utf-8")
        self.environment = self._environment(dags)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _passwords(self) -> Path:
        return self.folder / "passwords.json"

    @property
    def ui_environment(self) -> dict[str, str]:
        """The environment of the components: there the connection is in the database, where the UI shows it."""
        return {name: value for name, value in self.environment.items() if name != CONNECTION_VARIABLE}

    def _environment(self, dags: Path) -> dict[str, str]:
        """The environment of every process of this Airflow: nothing of another Airflow on this machine gets in."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        # Without byte code every process compiles all of Airflow again, which takes longer than the demo.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        options = {
            f"AIRFLOW__{section.upper()}__{name.upper()}": value
            for section, names in self._options(dags).items()
            for name, value in names.items()
        }
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.folder),
            CONNECTION_VARIABLE: self._connection,
            "PYTHONUNBUFFERED": "1",
            **options,
        }

    def _options(self, dags: Path) -> dict[str, dict[str, str]]:
        url = f"http://127.0.0.1:{self.port}"
        return {
            "core": {
                "dags_folder": str(dags),
                "load_examples": "False",
                "plugins_folder": str(self.folder / "plugins"),
                "dags_are_paused_at_creation": str(self._paused),
                "executor": "LocalExecutor",
                "parallelism": "4",
                "test_connection": "Enabled",
                "simple_auth_manager_all_admins": "False",
                "simple_auth_manager_users": f"{USER}:admin",
                "simple_auth_manager_passwords_file": str(self._passwords),
                "execution_api_server_url": f"{url}/execution/",
                "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            },
            "database": {"sql_alchemy_conn": f"sqlite:///{self.folder / 'airflow.db'}"},
            "api": {
                "host": "127.0.0.1",
                "port": str(self.port),
                "base_url": url,
                "workers": "1",
                "secret_key": secrets.token_hex(32),
            },
            "api_auth": {"jwt_secret": secrets.token_hex(64)},
            "logging": {"base_log_folder": str(self.folder / "logs"), "colored_console_log": "False"},
            "usage_data_collection": {"enabled": "False"},
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
