"""Ids and tokens: looking random, but the same for the same seed, and never twice even after a restart."""

from __future__ import annotations

import base64
import hashlib
import secrets
import uuid

from airflow_provider_grok.sandbox.store import Store


class Ids:
    """A numbered stream of hashes; the number is kept in the store."""

    def __init__(self, store: Store, seed: int | None) -> None:
        """Go on where the store left off.

        :param seed: the same seed gives the same ids in the same order; None gives others each time.
        """
        self._store = store
        self._seed = secrets.token_hex(8) if seed is None else str(seed)
        self._count: int = store.recall("ids", 0)

    def _digest(self) -> bytes:
        self._count += 1
        self._store.remember("ids", self._count)
        return hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()

    def uuid(self) -> str:
        """Return the next id in UUID form."""
        return str(uuid.UUID(bytes=self._digest()[:16], version=4))

    def token(self) -> str:
        """Return the next 22 url-safe characters."""
        return base64.urlsafe_b64encode(self._digest()[:16]).decode().rstrip("=")

    def reset(self) -> None:
        """Start the stream again."""
        self._count = 0


def number_from(text: str) -> int:
    """Return a number that follows from a text: the seed of a picture."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
