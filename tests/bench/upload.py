"""How long an upload of 48 MB takes, from a disk and from S3, beside httpx, curl and boto3.

uv run python -m tests.bench.upload [--json] [--rounds N]
"""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.bench import transfers


@cache
def _opener(storage: str) -> Any:
    return transfers.airflow_storage(storage)


def ours(big: Path, api: str, storage: str) -> None:
    """Hash, look, send, look: as GrokUploadOperator does."""
    from airflow_provider_grok.api import wire
    from airflow_provider_grok.api.endpoint import Endpoint
    from airflow_provider_grok.flows.files.upload import upload_once
    from airflow_provider_grok.flows.purchases.store import TaskIdentity

    endpoint = Endpoint(base_url=api, key=transfers.KEY)
    wire.run(endpoint, upload_once(endpoint, str(big), TaskIdentity.nobody()))


def httpx_and_sha(big: Path, api: str, storage: str) -> None:
    """The limit: a digest of the content, which the name needs, and one request."""
    import httpx

    digest = hashlib.sha256()
    with big.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
        file.seek(0)
        with httpx.Client(verify=_tls()) as client:
            files = {"file": (f"{digest.hexdigest()[:12]}.bin", file, "application/octet-stream")}
            client.post(f"{api}/files", data={"purpose": "assistants"}, files=files).raise_for_status()


@cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def curl(big: Path, api: str, storage: str) -> None:
    """One request, without a digest."""
    form = ["-F", "purpose=assistants", "-F", f"file=@{big}"]
    subprocess.run(["curl", "-sf", "-o", "/dev/null", *form, f"{api}/files"], check=True)


def ours_from_s3(big: Path, api: str, storage: str) -> None:
    """The object comes to a local file, as before an upload."""
    opener = _opener(storage)
    with tempfile.TemporaryDirectory() as folder:
        opener(f"s3://bench/{_key(big)}").get_file(Path(folder) / "source", transfers.SIZE)


def boto3_from_s3(big: Path, api: str, storage: str) -> None:
    """The limit: boto3's own way to a local file."""
    with tempfile.TemporaryDirectory() as folder:
        _client(storage).download_file("bench", _key(big), f"{folder}/source")


@cache
def _client(storage: str) -> Any:
    return transfers.client(storage)


def _key(big: Path) -> str:
    return "small.bin" if big.name.startswith("small") else "big.bin"


if __name__ == "__main__":
    transfers.rounds(
        "tests.bench.upload",
        {
            "ours, from disk": ours,
            "httpx and SHA-256": httpx_and_sha,
            "curl": curl,
            "ours, from S3": ours_from_s3,
            "boto3, from S3": boto3_from_s3,
        },
        {"ours, from disk": "httpx and SHA-256", "ours, from S3": "boto3, from S3"},
    )
