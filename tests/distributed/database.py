"""A Postgres of its own, as Airflow's metadata database."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .server import Server

USER = "postgres"


class Database(Server):
    """A Postgres server; what is lost in a crash of the machine is not missed."""

    name = "Postgres"

    def command(self) -> list[str]:
        """What starts it."""
        # Nobody else can read its folder.
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "fsync": "off"}
        options["unix_socket_directories"] = str(self.folder)
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [*_as_nobody_special(), _program("postgres"), "-D", str(self.folder / "data"), *settings]

    @property
    def address(self) -> str:
        """User, host, port and database, as they stand in a URL."""
        return f"{USER}@127.0.0.1:{self.port}/postgres"

    def busy(self, application: str) -> bool:
        """Whether a client is in the middle of a transaction, and may hold locks.

        :param application: the name that the client goes by (`PGAPPNAME`)
        """
        question = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{application}' AND state <> 'idle'"
        return self._ask(question) != "0"

    def prepare(self) -> None:
        """Make an empty cluster."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER, USER)
        command = [_program("initdb"), "-D", str(self.folder / "data"), "-U", USER, "--auth=trust", "--no-sync"]
        command += ["--encoding=UTF8", "--locale=C"]
        made = subprocess.run([*_as_nobody_special(), *command], cwd=self.folder, capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"initdb ended with {made.returncode}:\n{made.stdout}\n{made.stderr}")

    def answers(self) -> bool:
        """Whether it can be asked."""
        return self._ask("SELECT 1", check=False) == "1"

    def _ask(self, question: str, *, check: bool = True) -> str:
        command = [_program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-At", "-c", question]
        return subprocess.run([*command, "postgres"], capture_output=True, text=True, check=check).stdout.strip()


def _program(name: str) -> str:
    """Where a program of Postgres is: Debian keeps the server's off the path, one folder for each version."""
    folders = [str(folder) for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        raise RuntimeError(
            f"{name} is not installed: tests/distributed needs Postgres, e.g. `apt-get install postgresql`"
        )
    return found


def _as_nobody_special() -> list[str]:
    """How to run a program that refuses to be run by root."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if os.geteuid() == 0 else []
