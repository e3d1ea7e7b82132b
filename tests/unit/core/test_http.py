"""The outbound client: no packet leaves for an address that is not acceptable."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from ipaddress import ip_address

import httpcore2
import httpx2
import pytest
from typing_extensions import override

from apps.core.http import (
    Address,
    CheckedBackend,
    DestinationRefused,
    Reach,
    ResponseTooLarge,
    SocketOption,
    is_public,
    resolve,
    safe_async_client,
)

FORBIDDEN = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "localhost",
    "0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]",
    "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]",
    "[fec0::1]", "[ff02::1]", "[::127.0.0.1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]",
]  # fmt: skip


class Recorder(httpcore2.AsyncNetworkBackend):
    """Notes where a connection would go and opens none."""

    def __init__(self) -> None:
        self.hosts: list[str] = []

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.hosts.append(host)
        raise httpcore2.ConnectError("recorded")


@pytest.mark.parametrize("host", FORBIDDEN)
async def test_no_packet_leaves_for_a_forbidden_spelling(host: str) -> None:
    network = Recorder()
    backend = CheckedBackend(reach=Reach.PUBLIC, network=network)
    async with safe_async_client(backend=backend) as client:
        with pytest.raises((DestinationRefused, httpx2.ConnectError, httpx2.InvalidURL)):
            await client.get(f"https://{host}/")
    assert network.hosts == []


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "[fe80::1]", "224.0.0.1"])
async def test_staff_endpoints_do_not_reach_metadata_either(host: str) -> None:
    network = Recorder()
    backend = CheckedBackend(reach=Reach.PRIVATE_TOO, network=network)
    async with safe_async_client(allow_private=True, backend=backend) as client:
        with pytest.raises(DestinationRefused):
            await client.get(f"http://{host}/")
    assert network.hosts == []


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    async def mixed(host: str, port: int) -> tuple[Address, ...]:
        return ip_address("93.184.216.34"), ip_address("127.0.0.1")

    network = Recorder()
    backend = CheckedBackend(reach=Reach.PUBLIC, resolver=mixed, network=network)
    async with safe_async_client(backend=backend) as client:
        with pytest.raises(DestinationRefused):
            await client.get("https://example.com/")
    assert network.hosts == []


async def test_the_checked_address_is_the_one_connected_to() -> None:
    answers = iter([(ip_address("93.184.216.34"),), (ip_address("127.0.0.1"),)])

    async def rebinding(host: str, port: int) -> tuple[Address, ...]:
        return next(answers)

    network = Recorder()
    backend = CheckedBackend(reach=Reach.PUBLIC, resolver=rebinding, network=network)
    async with safe_async_client(backend=backend) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://example.com/")
    assert network.hosts == ["93.184.216.34"]


async def test_plain_http_is_refused_for_public_clients() -> None:
    network = Recorder()
    backend = CheckedBackend(reach=Reach.PUBLIC, network=network)
    async with safe_async_client(backend=backend) as client:
        with pytest.raises(DestinationRefused):
            await client.get("http://93.184.216.34/")
    assert network.hosts == []


async def test_the_environments_proxy_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    network = Recorder()
    backend = CheckedBackend(reach=Reach.PUBLIC, network=network)
    async with safe_async_client(backend=backend) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://93.184.216.34/")
    assert network.hosts == ["93.184.216.34"]


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


async def test_the_systems_resolver_reads_odd_spellings() -> None:
    assert await resolve("2130706433", 443) == (ip_address("127.0.0.1"),)


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """A real server: `/big` never stops, `/drip` is slow, `/gzip` compresses, `/go` redirects."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
        try:
            if path == b"/go":
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
            elif path == b"/gzip":
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"
                )
            elif path == b"/":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while True:
                    writer.write(b"x" * 1024)
                    await writer.drain()
                    # lint: allow sleeping-test: the server drips on purpose
                    await asyncio.sleep(0.01 if path == b"/drip" else 0)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield listener.sockets[0].getsockname()[1]
    listener.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_staff_endpoint_on_loopback_answers(server: int) -> None:
    async with safe_async_client(allow_private=True) as client:
        assert (await client.get(f"http://localhost:{server}/")).text == "hello"


async def test_redirects_are_never_followed(server: int) -> None:
    async with safe_async_client(allow_private=True) as client:
        response = await client.get(f"http://127.0.0.1:{server}/go", follow_redirects=True)
    assert response.status_code == 302


async def test_a_large_response_is_cut_off(server: int) -> None:
    async with safe_async_client(allow_private=True, max_bytes=100_000) as client:
        with pytest.raises(ResponseTooLarge):
            await client.get(f"http://127.0.0.1:{server}/big")


async def test_a_dripping_response_meets_the_deadline(server: int) -> None:
    async with safe_async_client(allow_private=True, total_timeout_s=0.2) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(f"http://127.0.0.1:{server}/drip")


async def test_compression_is_refused(server: int) -> None:
    async with safe_async_client(allow_private=True) as client:
        with pytest.raises(httpx2.DecodingError):
            await client.get(f"http://127.0.0.1:{server}/gzip")
