"""What the sandbox remembers: one SQLite file, and a folder of bytes named by their SHA-256."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

SCHEMA = "CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL)"


class Store:
    """Tables and blobs. Every method is quick and safe to call from any thread."""

    def __init__(self, folder: Path) -> None:
        """Open the store in a folder, making both if missing.

        :param folder: where `sandbox.db` and `blobs/` live.
        """
        self.folder = folder
        self.blobs = folder / "blobs"
        self.uploads = folder / "uploads"
        # Prompts, pictures and the journal are nobody else's business on a machine of several.
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (self.blobs, self.uploads):
            path.mkdir(exist_ok=True, mode=0o700)
        # What uploads and writes of a process that was killed have left.
        for left in [*self.uploads.iterdir(), *self.blobs.glob("*.part")]:
            left.unlink(missing_ok=True)
        database = folder / "sandbox.db"
        database.touch(mode=0o600)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self.create(SCHEMA)

    def create(self, schema: str) -> None:
        """Add a noun's tables, unless they are there."""
        with self._lock:
            self._db.executescript(schema)

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with self._lock:
            found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
            return found

    def change(self, sql: str, *values: Any) -> int:
        """Run a statement and return how many rows it changed."""
        with self._lock:
            return self._db.execute(sql, values).rowcount

    def change_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement for many rows in one transaction."""
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany(sql, rows)
            self._db.execute("COMMIT")

    def insert(self, table: str, **columns: Any) -> None:
        """Add one row; dicts and lists are kept as JSON.

        :param table: a table's name, from our own code.
        :param columns: values by column name.
        """
        values = [json.dumps(value) if isinstance(value, dict | list) else value for value in columns.values()]
        marks = ", ".join("?" * len(values))
        self.change(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *values)  # noqa: S608

    def remember(self, key: str, value: Any) -> None:
        """Keep a small JSON value under a name."""
        self.change("INSERT OR REPLACE INTO memory (key, value) VALUES (?, ?)", key, json.dumps(value))

    def recall(self, key: str, default: Any = None) -> Any:
        """Return what was kept under a name."""
        found = self.row("SELECT value FROM memory WHERE key = ?", key)
        return default if found is None else json.loads(found["value"])

    def put_blob(self, data: bytes) -> str:
        """Keep bytes and return their name."""
        name = hashlib.sha256(data).hexdigest()
        path = self.blob_path(name)
        if not path.exists():
            part = path.with_name(f"{name}.{threading.get_ident()}.part")
            part.write_bytes(data)
            part.replace(path)
        return name

    def adopt_blob(self, path: Path, name: str) -> str:
        """Take over a file already on disk whose SHA-256 is known."""
        path.replace(self.blob_path(name))
        return name

    def blob_path(self, name: str) -> Path:
        """Return where a blob lies."""
        return self.blobs / name

    def read_blob(self, name: str) -> bytes:
        """Return a blob's bytes."""
        return self.blob_path(name).read_bytes()

    def drop_blob(self, name: str) -> None:
        """Forget a blob, if nobody refers to it any more."""
        in_use = (
            self.row("SELECT 1 FROM files WHERE blob = ? AND deleted = 0", name)
            or self.row("SELECT 1 FROM assets WHERE blob = ?", name)
            or self.row("SELECT 1 FROM jobs WHERE state = 'pending' AND instr(request || coalesce(made, ''), ?)", name)
            or self.row("SELECT 1 FROM promises WHERE blob IS NULL AND instr(found, ?)", name)
        )
        if not in_use:
            self.blob_path(name).unlink(missing_ok=True)

    def empty(self) -> None:
        """Forget everything, on disk too."""
        with self._lock:
            for table in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
                self.change(f"DELETE FROM {table['name']}")  # noqa: S608
            for path in [*self.blobs.iterdir(), *self.uploads.iterdir()]:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()
