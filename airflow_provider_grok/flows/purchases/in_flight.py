"""Equal purchases side by side in one process: one of them buys, the others wait and take its result."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager

#: Seconds between two looks, on an event loop, whether an equal purchase has ended.
PAUSE = 0.05

_guard = threading.Lock()
_locks: dict[Hashable, tuple[threading.Lock, int]] = {}


@contextmanager
def alone(purchase: Hashable) -> Iterator[None]:
    """Hold a purchase in this thread; an equal one elsewhere in the process waits.

    :param purchase: what equal purchases have in common.
    """
    with _lock_of(purchase) as lock, lock:
        yield


@asynccontextmanager
async def alone_on_loop(purchase: Hashable) -> AsyncIterator[None]:
    """Hold a purchase on the running event loop, without stopping the loop.

    :param purchase: what equal purchases have in common.
    """
    with _lock_of(purchase) as lock:
        while not lock.acquire(blocking=False):  # noqa: ASYNC110 - its holder may be a thread or another loop
            await asyncio.sleep(PAUSE)
        try:
            yield
        finally:
            lock.release()


@contextmanager
def _lock_of(purchase: Hashable) -> Iterator[threading.Lock]:
    """The lock of a purchase, which is forgotten when its last user leaves."""
    with _guard:
        lock, users = _locks.get(purchase, (threading.Lock(), 0))
        _locks[purchase] = (lock, users + 1)
    try:
        yield lock
    finally:
        with _guard:
            users = _locks[purchase][1] - 1
            if users:
                _locks[purchase] = (lock, users)
            else:
                del _locks[purchase]
