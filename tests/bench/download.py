"""How long a download of 48 MB takes, to a disk and to S3, beside httpx, curl and boto3.

uv run python -m tests.bench.download [--json] [--rounds N]
"""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.bench import transfers


def _id(big: Path) -> str:
    return "file_small" if big.name.startswith("small") else "file_big"


def ours(big: Path, api: str, storage: str) -> None:
    """Look, stream, hash, put in place: as GrokDownloadOperator does."""
    from airflow_provider_grok.api import wire
    from airflow_provider_grok.api.endpoint import Endpoint
    from airflow_provider_grok.flows.files.download import download_to

    with tempfile.TemporaryDirectory() as folder:
        wire.run(Endpoint(base_url=api, key=transfers.KEY), download_to(_id(big), f"{folder}/"))


def httpx_only(big: Path, api: str, storage: str) -> None:
    """The limit: one request, streamed to a file."""
    import httpx

    with (
        tempfile.TemporaryDirectory() as folder,
        httpx.Client(verify=_tls()) as client,
        client.stream("GET", f"{api}/files/{_id(big)}/content") as response,
        (Path(folder) / "x").open("wb") as file,
    ):
        for chunk in response.iter_bytes():
            file.write(chunk)


@cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def curl(big: Path, api: str, storage: str) -> None:
    """One request, streamed to a file."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"{api}/files/{_id(big)}/content"
        subprocess.run(["curl", "-sf", "-o", f"{folder}/x", url], check=True)


@cache
def _opener(storage: str) -> Any:
    return transfers.airflow_storage(storage)


def ours_to_s3(big: Path, api: str, storage: str) -> None:
    """A local file becomes an object, as after a download."""
    _opener(storage)(f"s3://bench/ours-{big.name}").put_file(big)


def boto3_to_s3(big: Path, api: str, storage: str) -> None:
    """The limit: boto3's own way from a local file."""
    _client(storage).upload_file(str(big), "bench", f"boto3-{big.name}")


@cache
def _client(storage: str) -> Any:
    return transfers.client(storage)


if __name__ == "__main__":
    transfers.rounds(
        "tests.bench.download",
        {
            "ours, to disk": ours,
            "httpx": httpx_only,
            "curl": curl,
            "ours, to S3": ours_to_s3,
            "boto3, to S3": boto3_to_s3,
        },
        {"ours, to disk": "httpx", "ours, to S3": "boto3, to S3"},
    )
