"""Clients: proxies and this machine's own servers, certificates of a company, and what httpx must not log."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_grok.api import errors, files, images, wire
from airflow_provider_grok.api.client import proxy_of
from airflow_provider_grok.api.wire import Endpoint
from tests.api.hostile_server import HostileServer, answer

FOUND = b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{"id": "file_1"}'
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(params=["run", "arun"])
def driver(request: pytest.FixtureRequest) -> Callable[[Endpoint, Any], Any]:
    return wire.run if request.param == "run" else lambda *work: asyncio.run(wire.arun(*work))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.5.1", "localhost"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
def test_this_machines_own_servers_are_asked_through_no_proxy(
    driver: Any, monkeypatch: pytest.MonkeyPatch, host: str, name: str
) -> None:
    heard: list[bytes] = []
    proxy = HostileServer(lambda connection, _: heard.append(connection.recv(65536)))
    with proxy, HostileServer(answer(FOUND), host if host[0] == "1" else "127.0.0.1") as server:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        endpoint = Endpoint(f"http://{host}:{server.port}/v1", "xai-secret-key", max_attempts=1)
        assert driver(endpoint, files.get("file_1")).id == "file_1"
    assert heard == []


def test_other_hosts_are_asked_through_the_proxy_unless_no_proxy_names_them(
    driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostileServer(answer(FOUND)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        endpoint = Endpoint("http://grok.invalid/v1", "xai-secret-key", max_attempts=1)
        assert driver(endpoint, files.get("file_1")).id == "file_1"
        monkeypatch.setenv("NO_PROXY", "grok.invalid")
        with pytest.raises(errors.Unreachable, match=r"nothing answers at grok\.invalid"):
            driver(endpoint, files.get("file_1"))


@pytest.mark.parametrize(("name", "scheme"), [("HTTPS_PROXY", "https"), ("ALL_PROXY", "https"), ("HTTP_PROXY", "http")])
def test_a_connection_refused_behind_a_proxy_names_the_proxy_and_not_its_password(
    driver: Any, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    monkeypatch.setenv(name, "http://user:s3cret@127.0.0.1:9/")
    with pytest.raises(errors.Unreachable, match=r"through the proxy http://127\.0\.0\.1:9 ") as caught:
        driver(Endpoint(f"{scheme}://grok.invalid/v1", "xai-secret-key", max_attempts=1), files.get("file_1"))
    assert "NO_PROXY" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["foo://user:s3cret@proxy:3128", "socks5://user:s3cret@proxy:1080", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_sent(
    driver: Any, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(errors.InvalidRequest, match="ALL_PROXY=") as caught:
        driver(Endpoint(key="xai-secret-key"), images.generate({"prompt": "x"}))
    assert "s3cret" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_the_proxy_of_a_url_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://all:1080")
    monkeypatch.setenv("HTTPS_PROXY", "http://u:p@tls:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    urls = [
        "https://a.example/",
        "http://a.example/",
        "https://inside.example/",
        "http://[::1]:1/",
        "http://127.9.9.9/",
    ]
    assert [proxy_of(url) for url in urls] == ["http://tls:3128", "socks5://all:1080", "", "", ""]


# -- certificates ----------------------------------------------------------------------------------------------------


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey
) -> bytes:
    """A certificate, in PEM: a CA's own where the issuer is itself, else a server's of this machine."""

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.timezone.utc)
    hosts: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's CA (`ca.pem`), and a certificate that it gave to a server (`server.pem`, with the key)."""
    folder = tmp_path_factory.mktemp("company")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(certificate("Company CA", ca_key, "Company CA", ca_key))
    (folder / "server.pem").write_bytes(private + certificate("localhost", key, "Company CA", ca_key))
    return folder


@pytest.fixture
def tls_port(company: Path) -> Any:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(company / "server.pem")

    def handle(connection: socket.socket, stopped: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            answer(FOUND)(inside, stopped)

    with HostileServer(handle) as server:
        yield server.port


def test_a_companys_ca_is_trusted_where_ssl_cert_file_names_it(
    driver: Any, monkeypatch: pytest.MonkeyPatch, company: Path, tls_port: int
) -> None:
    endpoint = Endpoint(f"https://localhost:{tls_port}/v1", "xai-secret-key", max_attempts=1)
    with pytest.raises(errors.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        driver(endpoint, files.get("file_1"))
    monkeypatch.setenv("SSL_CERT_FILE", str(company / "ca.pem"))
    assert driver(endpoint, files.get("file_1")).id == "file_1"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_named(
    driver: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(errors.InvalidRequest, match=r"SSL_CERT_FILE=.*ca\.pem"):
        driver(Endpoint(key="xai-secret-key"), files.get("file_1"))


# -- logs ------------------------------------------------------------------------------------------------------------


def test_no_log_shows_the_key_a_header_or_the_query_of_a_link(
    driver: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"HTTP/1.1 200 xai-secret-key\r\nx-request-id: req-1\r\nx-echo: Bearer xai-secret-key\r\n"
    with (
        caplog.at_level(logging.DEBUG),
        HostileServer(answer(head + b'content-length: 12\r\n\r\n{"data": []}')) as server,
    ):
        endpoint = Endpoint(server.url, "xai-secret-key", max_attempts=1)
        driver(endpoint, files.fetch(endpoint, f"{server.url}/a?sig=s3cret", tmp_path / "got"))
        driver(endpoint, files.page(filter='name = "s3cret"'))
    assert "xai-secret-key" not in caplog.text
    assert "s3cret" not in caplog.text
    assert f"GET {server.url}/a answered 200 (req-1)." in caplog.text


def test_what_others_ask_with_httpx_is_logged_as_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    # Airflow's own logging, where it was configured before, may have silenced the library.
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", False)
    monkeypatch.setattr(logging.getLogger("httpx"), "level", logging.NOTSET)
    with caplog.at_level(logging.INFO), HostileServer(answer(FOUND)) as server:
        wire.run(Endpoint(server.url, "k"), files.get("file_1"))
        httpx.get(f"{server.url}/other")
    assert [record.name for record in caplog.records if record.levelno >= logging.INFO] == ["httpx"]
