"""A stub of the API's batches and videos for benchmarks: as little work as a server can do, in a process of its own.

Jobs end at random moments of a window. Run as `python -m tests.bench.job_server COUNT BEGIN END`: the window in seconds
after the start. It prints its port; `GET /stats` tells how many requests each key made, and after `GET /limit/KEY/S`
that key is answered with 429 for S seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = 100
LARGEST_PAGE = 1000


class Jobs:
    """Jobs by number, and when each ends.

    :param count: how many.
    :param begin: seconds from now when the first end.
    :param end: seconds from now when the last end.
    """

    def __init__(self, count: int, begin: float, end: float) -> None:
        self.start = time.time()
        chance = random.Random(1)
        self.ends = [self.start + chance.uniform(begin, end) for _ in range(count)]
        self.by_key: Counter[str] = Counter()
        self.limits: dict[str, float] = {}

    def batch(self, number: int, now: float) -> bytes:
        """A batch as a list or a single answer shows it."""
        done = now >= self.ends[number]
        state = b'{"num_requests":10,"num_pending":%d,"num_success":%d}' % ((0, 10) if done else (5, 5))
        return (
            b'{"batch_id":"batch_%06d","name":"nightly","create_time":"2026-11-25T12:00:00Z",'
            b'"expire_time":"2126-11-26","cancel_time":null,"state":%s}' % (number, state)
        )

    def answer(self, target: str, key: str) -> tuple[int, bytes]:
        """Status and body for a GET."""
        path, _, query = target.partition("?")
        now = time.time()
        if path == "/stats":
            asked = {"requests": self.by_key.total(), "by_key": self.by_key, "ends": self.ends}
            return 200, json.dumps(asked).encode()
        if path.startswith("/limit/"):
            _, _, limited, seconds = path.split("/")
            self.limits[limited] = now + float(seconds)
            return 200, b"{}"
        self.by_key[key] += 1
        if now < self.limits.get(key, 0.0):
            return 429, b'{"code":"resource-exhausted","error":"slow down"}'
        if path == "/v1/batches":
            return 200, self._page(query, now)
        kind, _, name = path.removeprefix("/v1/").partition("/")
        number = int(name.rpartition("_")[2])
        if kind == "batches":
            return 200, self.batch(number, now)
        if now < self.ends[number]:
            return 202, b'{"status":"pending","progress":40}'
        return 200, b'{"status":"done","video":{"url":"https://vidgen.x.ai/a.mp4","duration":8},"model":"m"}'

    def _page(self, query: str, now: float) -> bytes:
        given = dict(pair.split("=") for pair in query.split("&") if pair)
        first, size = int(given.get("pagination_token", 0)), min(int(given.get("limit", PAGE)), LARGEST_PAGE)
        numbers = range(first, min(first + size, len(self.ends)))
        token = b'"%d"' % numbers.stop if numbers.stop < len(self.ends) else b"null"
        listed = b",".join(self.batch(number, now) for number in numbers)
        return b'{"batches":[%s],"pagination_token":%s}' % (listed, token)


async def serve(jobs: Jobs) -> None:
    """Serve on a free port of 127.0.0.1 until the process is ended."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                key = head.partition(b"Bearer ")[2].partition(b"\r")[0].decode()
                status, body = jobs.answer(head.split(b" ", 2)[1].decode(), key)
                rest = b"retry-after: %d\r\n" % (jobs.limits[key] - time.time() + 1) if status == 429 else b""
                writer.write(
                    b"HTTP/1.1 %d x\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                    % (status, rest, len(body), body)
                )
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def job_server(count: int, begin: float, end: float) -> Iterator[str]:
    """Run the stub in a process of its own, and give its root URL.

    :param count: how many jobs.
    :param begin: seconds from its start when the first end.
    :param end: seconds from its start when the last end.
    """
    command = [sys.executable, "-m", "tests.bench.job_server", str(count), str(begin), str(end)]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ))
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    asyncio.run(serve(Jobs(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))))
