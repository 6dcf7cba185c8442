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

MAIN_EXAMPLE = "product_shots.py"


def example_dags() -> Path:
    """The folder of the example DAGs: in a wheel inside the package, in a checkout beside it.

    :raises FileNotFoundError: when it is in neither place.
    """
    package = Path(__file__).parents[1]
    places = [package / "example_dags", package.parent / "example_dags"]
    for folder in places:
        if (folder / MAIN_EXAMPLE).is_file():
            return folder
    raise FileNotFoundError(
        f"The example DAGs are neither in {places[0]} nor in {places[1]}. Install the package anew."
    )


class Stage:
    """A temporary AIRFLOW_HOME with the example DAGs, for the length of a `with` block.

    :param url: base URL of the API.
    :param key: API key.
    :param ui: whether a whole Airflow is to run on it: then all examples are there.
    """

    def __init__(self, url: str, key: str, *, ui: bool) -> None:
        self._connection = json.dumps({"conn_type": "grok", "host": url, "password": key})
        self._ui = ui
        self.port = _free_port()

    def __enter__(self) -> Stage:
        """Make it."""
        self.home = Path(tempfile.mkdtemp(prefix="grok-demo-airflow-"))
        source, dags = example_dags(), self.home / "dags"
        dags.mkdir()
        # Before every run `dag.test()` reads the whole folder, so it holds no more than is needed.
        for file in source.glob("*.py" if self._ui else MAIN_EXAMPLE):
            shutil.copy(file, dags)
        shutil.copytree(source / "photos", dags / "photos")
        self.dag_file = dags / MAIN_EXAMPLE
        self.environment = self._environment(dags)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it."""
        shutil.rmtree(self.home, ignore_errors=True)

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
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONN_GROK_DEFAULT": self._connection,
            "PYTHONUNBUFFERED": "1",
            **options,
        }

    def _options(self, dags: Path) -> dict[str, dict[str, str]]:
        url = f"http://127.0.0.1:{self.port}"
        return {
            "core": {
                "dags_folder": str(dags),
                "load_examples": "False",
                "dags_are_paused_at_creation": "True",
                "executor": "LocalExecutor",
                "parallelism": "4",
                "test_connection": "Enabled",
                # Loopback only, for the length of a demo: nobody else can knock.
                "simple_auth_manager_all_admins": "True",
                "simple_auth_manager_passwords_file": str(self.home / "passwords.json"),
                "execution_api_server_url": f"{url}/execution/",
                "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            },
            "database": {"sql_alchemy_conn": f"sqlite:///{self.home / 'airflow.db'}"},
            "api": {
                "host": "127.0.0.1",
                "port": str(self.port),
                "base_url": url,
                "workers": "1",
                "secret_key": secrets.token_hex(32),
            },
            "api_auth": {"jwt_secret": secrets.token_hex(64)},
            "logging": {"base_log_folder": str(self.home / "logs"), "colored_console_log": "False"},
            "usage_data_collection": {"enabled": "False"},
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
