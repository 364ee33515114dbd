"""Clients that are slow, greedy or never read, TLS, over real sockets; and retrieval that lies about collections."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import update

from index.schema import Document, utc_now
from rag.api import connection
from rag.api.connection import BoundedHead
from rag.api.credentials import SECURE_COOKIE
from rag.api.server import create_server
from rag.errors import SettingsError
from rag.serve import check_certificate, listening
from rag.settings import Settings
from tests.rag.access.people import MARK, PASSWORD, World, populate
from tests.rag.conftest import Service, client_of

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def port_of(service: Service, **tls: str) -> AsyncIterator[int]:
    named: dict[str, Any] = {"http": BoundedHead, "log_config": None, "ws": "none", "lifespan": "on", **tls}
    config = uvicorn.Config(create_server(service.app), timeout_keep_alive=1, **named)
    with listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


async def exchange(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


async def test_heads_come_in_time_and_within_bounds(
    build: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    live = b"GET /api/v1/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    async with port_of(build("x")) as port:
        for pieces in ((), (b"GET / HT",), (live + b"\r\n", b"\r\n", b"GET /")):
            assert (await exchange(port, *pieces, pause=0.05)).endswith(connection._TOO_SLOW)
        answer = await exchange(port, live + b"X: " + b"x" * 40_000 + b"\r\n", b"Y: " + b"y" * 40_000 + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 431")
        twice = await exchange(port, live + b"\r\n" + live + b"Connection: close\r\n\r\n")
        assert twice.count(b'{"status":"alive"}') == 2
        body = b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
        assert (await exchange(port, body + b" " * 200_000)).startswith(b"HTTP/1.1 4")


async def test_a_body_that_stops_is_told_408(build: Callable[..., Service]) -> None:
    head = b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"
    async with port_of(build("x", server_body_seconds=0.3)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_who_does_not_read_holds_nothing(build: Callable[..., Service]) -> None:
    service = build("x", server_body_seconds=0.3)
    blob = service.app.blobs.put(io.BytesIO(bytes(30_000_000)))
    document = service.document(service.collection(), "A guide.")
    with service.app.database.write() as session:
        session.execute(update(Document).values(blob=blob.key, size=30_000_000))
    async with port_of(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(f"GET /api/v1/documents/{document}/original HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert open_files(blob.key) == 1
        await asyncio.sleep(1.0)
        assert open_files(blob.key) == 0
        writer.transport.abort()


def open_files(name: str) -> int:
    return sum(Path(name).name in file.path for file in psutil.Process().open_files())


async def test_retrieval_that_ignores_collections_leaks_nothing(
    build: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    world: World = populate(build("The plan."))
    secret = world.granted()
    world.document(secret)
    harmless = next(info.id for info in world.service.app.catalog.collections() if info.name == "elsewhere")
    world.service.document(harmless, "Nothing is planned here.")
    honest = world.service.app.searcher.search

    def leaky(question: str, *, collections: Any, **more: Any) -> Any:
        return honest(question, collections=(*collections, secret), **more)

    monkeypatch.setattr(world.service.app.searcher, "search", leaky)
    body = {"question": "What is planned?", "collection": harmless}
    async with client_of(world.service) as http:
        http.headers.update(world.headers("other"))
        for path, sent in (
            ("/api/v1/search", body),
            ("/api/v1/ask", body),
            ("/api/v1/ask", {**body, "mode": "search"}),
            ("/api/v1/ask", {**body, "mode": "quote", "stream": True}),
            (
                "/v1/chat/completions",
                {"model": f"footnote/{harmless}", "messages": [{"role": "user", "content": "What is planned?"}]},
            ),
        ):
            answer = await http.post(path, json=sent)
            assert MARK not in answer.text, path


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for localhost that signs itself, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, traditional, plain))
    return str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")


async def test_over_tls_the_session_is_bound_to_its_host(
    build: Callable[..., Service], certificate: tuple[str, str]
) -> None:
    world = populate(build("x"))
    tls = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    context = ssl.create_default_context(cafile=certificate[0])
    async with (
        port_of(world.service, **tls) as port,
        httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=context) as http,
    ):
        answer = await http.post("/api/v1/session", json={"name": "reader", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{SECURE_COOKIE}=")
        assert cookie.endswith("; Secure")
        assert "Path=/;" in cookie
        assert "Domain" not in cookie
        assert (await http.get("/api/v1/session")).json()["name"] == "reader"


def test_a_certificate_is_checked_before_anything_starts(certificate: tuple[str, str]) -> None:
    good = Settings(server_tls_certificate=certificate[0], server_tls_key=certificate[1])
    assert (check_certificate(good), check_certificate(Settings())) == ("https", "http")
    for wrong in (Settings(server_tls_certificate="/nowhere.pem"), Settings(server_tls_certificate=certificate[1])):
        with pytest.raises(SettingsError, match=r"server\.tls_certificate") as refused:
            check_certificate(wrong)
        assert "\n" not in str(refused.value)
