"""An S3 server for tests, and what was asked of it: `storage` as Airflow's filesystem for `s3://`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

#: The connection that URLs of the tests name.
CONNECTION = "lake"


class Storage:
    """A bucket on a server of the test's own, and the calls that reach it."""

    def __init__(self, url: str) -> None:
        from s3fs import S3FileSystem

        self.calls: list[str] = []
        storage = self

        class Recorded(S3FileSystem):  # type: ignore[misc]
            cachable = False

            async def _call_s3(self, method: str, *args: Any, **kwargs: Any) -> Any:
                storage.calls.append(method)
                return await super()._call_s3(method, *args, **kwargs)

        self.fs = Recorded(key="test", secret="test", endpoint_url=url, skip_instance_cache=True)

    def objects(self, bucket: str = "shop") -> dict[str, bytes]:
        """The objects of a bucket, by key."""
        self.fs.invalidate_cache()
        found = {path.partition("/")[2]: self.fs.cat_file(path) for path in self.fs.find(bucket)}
        self.calls.clear()
        return found

    def buckets(self) -> list[str]:
        self.fs.invalidate_cache()
        return [str(name) for name in self.fs.ls("", detail=False)]


@pytest.fixture(scope="session")
def storage_server() -> Iterator[str]:
    """An S3 server that knows no rights: what is asked of it is what counts."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(storage_server: str, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """An empty bucket `shop`, which Airflow knows as `s3://shop` and `s3://lake@shop`."""
    import httpx
    from airflow.sdk.io import store

    httpx.post(f"{storage_server}/moto-api/reset").raise_for_status()
    made = Storage(storage_server)
    made.fs.mkdir("shop")
    made.calls.clear()
    known = {name: store.ObjectStore("s3", conn, fs=made.fs) for name, conn in (("s3", None), ("s3-lake", CONNECTION))}
    monkeypatch.setattr(store, "_STORE_CACHE", {**store._STORE_CACHE, **known})
    return made
