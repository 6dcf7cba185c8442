"""What `upload` and `download` share: a quick server, and measured rounds, each way in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIZE = 48_000_000
KEY = "xai-bench"
#: The ways of a question: what one does with the file `big`, the server's base URL and the storage's URL.
Way = Callable[[Path, str, str], None]


def rounds(module: str, ways: Mapping[str, Way], limits: Mapping[str, str]) -> None:
    """Run every way in turn, some rounds long, and print the medians and what they are to their limits.

    :param module: the question's module, which is run again for each way.
    :param ways: the ways, by name.
    :param limits: of which way each of ours is a multiple.
    """
    options = argparse.ArgumentParser(prog=f"python -m {module}")
    options.add_argument("--json", action="store_true", help="print JSON")
    options.add_argument("--rounds", type=int, default=5, help="rounds that are measured (default: 5)")
    options.add_argument("--way", help=argparse.SUPPRESS)
    options.add_argument("--at", nargs=3, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.way:
        print(json.dumps(measured(ways[asked.way], Path(asked.at[0]), asked.at[1], asked.at[2])))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder, server() as api, bucket() as storage:
        big = Path(folder) / "big.bin"
        big.write_bytes(os.urandom(SIZE))
        storage_put(storage, big)
        for _ in range(asked.rounds):
            for name in ways:
                command = [sys.executable, "-m", module, "--way", name, "--at", str(big), api, storage]
                found[name].append(json.loads(subprocess.check_output(command, text=True).splitlines()[-1]))
    show(
        {name: {key: statistics.median(one[key] for one in runs) for key in runs[0]} for name, runs in found.items()},
        limits,
        asked.json,
    )


def measured(way: Way, big: Path, api: str, storage: str) -> dict[str, float]:
    """Seconds, CPU seconds and growth of memory of one way, after a small file has warmed it up."""
    small = big.parent / f"small-{os.getpid()}.bin"
    small.write_bytes(os.urandom(1000))
    way(small, api, storage)
    # The most memory is counted from here on (proc(5), clear_refs).
    Path("/proc/self/clear_refs").write_text("5")
    cpu, began, had = spent(), time.perf_counter(), memory("VmRSS")
    way(big, api, storage)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "cpu": spent() - cpu, "mib": memory("VmHWM") - had}


def spent() -> float:
    """CPU seconds of this process and of the ones that it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def memory(field: str) -> float:
    """A figure of this process's memory, in MiB: VmRSS is what it has, VmHWM the most it had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024


def show(table: Mapping[str, Mapping[str, float]], limits: Mapping[str, str], as_json: bool) -> None:
    """Print a table, or JSON."""
    times = {
        name: {key: table[name][key] / max(table[limit][key], 0.001) for key in ("seconds", "cpu")}
        for name, limit in limits.items()
    }
    if as_json:
        print(json.dumps({"machine": machine(), "bytes": SIZE, "ways": table, "times_the_limit": times}))
        return
    print(f"{SIZE / 1e6:.0f} MB; {machine()}")
    print(f"{'':28}{'seconds':>9}{'CPU':>8}{'MiB':>7}   times its limit (seconds, CPU)")
    for name, row in table.items():
        ratio = f"   {times[name]['seconds']:.2f}  {times[name]['cpu']:.2f}  of {limits[name]}" if name in times else ""
        print(f"{name:28}{row['seconds']:9.3f}{row['cpu']:8.3f}{row['mib']:7.1f}{ratio}")


def machine() -> str:
    """What this ran on."""
    import httpx

    return f"{os.cpu_count()} cores, Python {platform.python_version()}, httpx {httpx.__version__}"


@contextmanager
def server() -> Iterator[str]:
    """A server in a process of its own that takes uploads and gives files as quickly as sockets do."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.transfers"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bucket() -> Iterator[str]:
    """An S3 server in this process; the ways are measured in theirs."""
    from moto.server import ThreadedMotoServer

    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    host, port = storage.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        storage.stop()


def client(storage: str) -> Any:
    """A boto3 client of the S3 server."""
    import boto3

    return boto3.client(
        "s3", endpoint_url=storage, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )


def airflow_storage(storage: str) -> Any:
    """Airflow's `s3://` at the S3 server, as the package opens it."""
    from airflow.sdk.io import attach
    from s3fs import S3FileSystem

    from airflow_provider_grok.hooks.storage import open_storage

    attach("s3", fs=S3FileSystem(key="a", secret="b", endpoint_url=storage))
    return open_storage


def storage_put(storage: str, big: Path) -> None:
    """Make the bucket, with a large and a small object."""
    s3 = client(storage)
    s3.create_bucket(Bucket="bench")
    s3.upload_file(str(big), "bench", "big.bin")
    s3.put_object(Bucket="bench", Key="small.bin", Body=os.urandom(1000))


BODY = bytearray()


# -- the server's own process --------------------------------------------------------------------------------------


def answer(connection: socket.socket) -> None:
    """Answer the requests of one connection."""
    data = b""
    buffer = bytearray(2**20)
    while True:
        while b"\r\n\r\n" not in data:
            got = connection.recv(2**16)
            if not got:
                return
            data += got
        head, _, data = data.partition(b"\r\n\r\n")
        method, path = head.split(b" ", 2)[:2]
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = int(fields.get(b"content-length", b"0")) - len(data)
        if b"100-continue" in fields.get(b"expect", b""):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while left > 0:
            left -= connection.recv_into(buffer, min(left, len(buffer)))
        data = b""
        size = 1000 if b"small" in path else SIZE
        if path.endswith(b"/content"):
            kind, said = b"application/octet-stream", memoryview(BODY)[:size]
        elif method == b"GET" and path.startswith(b"/v1/files?"):
            kind, said = b"application/json", memoryview(b'{"data": []}')
        else:
            name = b"file_small" if b"small" in path else b"file_big"
            text = b'{"id": "%s", "filename": "%s.bin", "bytes": %d}' % (name, name, size if method == b"GET" else 0)
            kind, said = b"application/json", memoryview(text)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (kind, len(said)))
        connection.sendall(said)


def serve() -> None:
    """Answer until somebody ends this process."""
    BODY.extend(os.urandom(SIZE))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", flush=True)
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    serve()
