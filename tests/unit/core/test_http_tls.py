"""TLS of the outbound client: it connects to the checked address and verifies the original name."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.core import clock
from apps.core.http import Address, CheckedBackend, Reach, safe_async_client

NAME = "models.example.test"


@dataclass
class TlsServer:
    """What a real TLS server on loopback has seen."""

    port: int = 0
    trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    names: list[str | None] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)


def _write_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TlsServer]:
    certificate, key = _write_certificate(tmp_path)
    seen = TlsServer(trusted=ssl.create_default_context(cafile=str(certificate)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _socket, name, _context: seen.names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    seen.port = listener.sockets[0].getsockname()[1]
    yield seen
    listener.close()


async def _loopback(host: str, port: int) -> tuple[Address, ...]:
    return (ip_address("127.0.0.1"),)


def _client(server: TlsServer) -> httpx2.AsyncClient:
    backend = CheckedBackend(reach=Reach.PRIVATE_TOO, resolver=_loopback)
    return safe_async_client(allow_private=True, ssl_context=server.trusted, backend=backend)


async def test_name_and_host_are_the_original_ones(server: TlsServer) -> None:
    async with _client(server) as client:
        response = await client.get(f"https://{NAME}:{server.port}/")
    assert response.text == "ok"
    assert server.names == [NAME]
    assert f"Host: {NAME}:{server.port}".lower().encode() in server.requests[0].lower()


async def test_a_certificate_for_another_name_is_refused(server: TlsServer) -> None:
    async with _client(server) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"https://other.example.test:{server.port}/")
    assert server.requests == []
