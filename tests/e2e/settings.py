"""The environment of a live Airflow: everything set by variables, nothing inherited from whoever runs the test."""

from __future__ import annotations

import base64
import os
import secrets
import socket
from pathlib import Path

# Seconds without a sign of life after which Airflow gives up on a worker, a scheduler or a triggerer. Short, because
# the tests kill them and wait for it; not shorter, because a busy two-core machine would then see ghosts.
LIFE_SIGN = 10


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, *, dags: Path, port: int, parallelism: int) -> dict[str, str]:
    """The whole environment of one stack's processes.

    :param home: AIRFLOW_HOME: database, logs and settings of this stack alone
    :param dags: folder of DAG files
    :param port: port of the API server
    :param parallelism: how many tasks run at once; each costs an idle worker process
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    # Without byte code every process of Airflow compiles it all again: 6.6 instead of 2.4 CPU seconds each.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    options = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": value
        for section, names in _options(home, dags, port, parallelism).items()
        for name, value in names.items()
    }
    return inherited | {"AIRFLOW_HOME": str(home), "PYTHONUNBUFFERED": "1"} | options


def _options(home: Path, dags: Path, port: int, parallelism: int) -> dict[str, dict[str, str]]:
    life_sign = str(LIFE_SIGN)
    return {
        "core": {
            "dags_folder": str(dags),
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "executor": "LocalExecutor",
            "parallelism": str(parallelism),
            "max_active_tasks_per_dag": str(max(16, parallelism)),
            "simple_auth_manager_all_admins": "True",
            "simple_auth_manager_passwords_file": str(home / "passwords.json"),
            "execution_api_server_url": f"http://127.0.0.1:{port}/execution/",
            # Four processes that each found no key would each make their own and not understand each other.
            "fernet_key": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "api": {
            "host": "127.0.0.1",
            "port": str(port),
            "base_url": f"http://127.0.0.1:{port}",
            "workers": "1",
            "secret_key": secrets.token_hex(32),
        },
        "api_auth": {"jwt_secret": secrets.token_hex(64)},
        "logging": {"base_log_folder": str(home / "logs"), "colored_console_log": "False"},
        "dag_processor": {"refresh_interval": "5", "min_file_process_interval": "30", "print_stats_interval": "0"},
        "scheduler": {
            "scheduler_heartbeat_sec": "1",
            "scheduler_idle_sleep_time": "0.5",
            "scheduler_health_check_threshold": life_sign,
            "orphaned_tasks_check_interval": "5",
            "task_instance_heartbeat_timeout": life_sign,
            "task_instance_heartbeat_timeout_detection_interval": "2",
            "trigger_timeout_check_interval": "2",
            # A worker killed before it reports the task as running leaves it "queued" until this sweep.
            "task_queued_timeout": "60",
            "task_queued_timeout_check_interval": "5",
        },
        "workers": {"min_heartbeat_interval": "1"},
        "triggerer": {"job_heartbeat_sec": "1", "triggerer_health_check_threshold": life_sign},
        "usage_data_collection": {"enabled": "False"},
    }
