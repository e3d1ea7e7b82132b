"""The one outbound HTTP client: it connects only to addresses it has checked.

A URL that a tenant, a plugin or a model supplies may point into our own network, spelled as a
name, a decimal number or an IPv6 wrapper, and may change its mind between a check and the
connection (DNS rebinding). So the check happens where the connection is made: the network backend
resolves the name once, refuses unless every address is acceptable, and connects to one of exactly
those addresses, while TLS still verifies the original name.

No redirects, no proxy environment, no compression (a small body cannot unfold into a large one),
and limits on size and total time.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from enum import Enum
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Protocol, TypeAlias

import httpcore2
import httpx2
from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells the address of every request

Address: TypeAlias = IPv4Address | IPv6Address
SocketOption: TypeAlias = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)

Response: TypeAlias = httpx2.Response
# What callers see of a connection that was not made, broke or took too long.
CONNECTION_ERRORS = (httpx2.TransportError, httpx2.StreamError)

DEFAULT_MAX_BYTES = 16 * 1024 * 1024
DEFAULT_TOTAL_TIMEOUT_S = 60.0
DEFAULT_TIMEOUT = httpx2.Timeout(connect=5.0, read=30.0, write=30.0, pool=5.0)

_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_TUNNELS_6 = (
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),  # documentation
)
_PRIVATE_4 = tuple(
    IPv4Network(block) for block in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_UNIQUE_LOCAL_6 = IPv6Network("fc00::/7")


class Reach(Enum):
    """How far a client may connect."""

    PUBLIC = "public"
    PRIVATE_TOO = "private too"
    LOOPBACK_ONLY = "loopback only"


class DestinationRefused(KarenError):
    """The address may not be contacted from here; says nothing about what it resolved to."""

    code = "destination_refused"
    status = 422

    @override
    def message(self) -> str:
        return _("This address may not be contacted. Use a public https:// address.")


class ResponseTooLarge(KarenError):
    """A remote server sent more than `limit_bytes`."""

    code = "response_too_large"
    status = 502
    public_fields = ("limit_bytes",)

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    @override
    def message(self) -> str:
        return _("The other server sent more data than is accepted.")


def unwrap(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped or NAT64 IPv6 address, else `address`."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Say whether an address is ordinary global unicast, whatever its spelling."""
    inner = unwrap(address)
    if isinstance(inner, IPv6Address):
        routed = inner in _GLOBAL_UNICAST_6 and not any(inner in block for block in _TUNNELS_6)
        return routed and inner.is_global
    return inner.is_global and not (inner.is_multicast or inner.is_reserved)


def is_private(address: Address) -> bool:
    """Say whether an address is loopback or of a private network. Link-local (metadata) is not."""
    inner = unwrap(address)
    if isinstance(inner, IPv6Address):
        return inner.is_loopback or inner in _UNIQUE_LOCAL_6
    return any(inner in block for block in _PRIVATE_4)


def may_reach(address: Address, reach: Reach) -> bool:
    """Say whether a client of this reach may connect to `address`."""
    match reach:
        case Reach.PUBLIC:
            return is_public(address)
        case Reach.PRIVATE_TOO:
            return is_public(address) or is_private(address)
        case Reach.LOOPBACK_ONLY:
            return unwrap(address).is_loopback


class Resolver(Protocol):
    """Turns a host into addresses."""

    async def __call__(self, host: str, port: int) -> tuple[Address, ...]:
        """Return the addresses of `host` in order of preference."""
        ...


async def resolve(host: str, port: int) -> tuple[Address, ...]:
    """Resolve with the system's resolver, which also reads decimal, octal and hex spellings."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class CheckedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections only to addresses that were resolved once and checked."""

    def __init__(
        self,
        *,
        reach: Reach,
        resolver: Resolver = resolve,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._reach = reach
        self._resolve = resolver
        self._network = network or httpcore2.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first checked address that answers.

        Raises:
            DestinationRefused: One of the addresses is out of reach.
            httpcore2.ConnectError: The name does not resolve or nobody answers.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("name resolution timed out") from error
        except (OSError, UnicodeError, ValueError) as error:
            raise httpcore2.ConnectError("the name does not resolve") from error
        if not addresses:
            raise httpcore2.ConnectError("the name has no address")
        if not all(may_reach(address, self._reach) for address in addresses):
            raise DestinationRefused
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    str(unwrap(address) if not _is_nat64(address) else address),
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    @override
    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: nothing outbound goes to a local socket file."""
        raise DestinationRefused

    @override
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _is_nat64(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address in _NAT64


@cache
def default_ssl_context() -> ssl.SSLContext:
    """Return the verifying TLS context, made once; environment variables do not change it."""
    return httpx2.create_ssl_context(trust_env=False)


class _LimitedStream(httpx2.AsyncByteStream):
    """A response body that ends with an error at the size limit or the deadline."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, max_bytes: int, deadline: float) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._deadline = deadline

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        chunks = aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise httpx2.ReadTimeout("the response took too long in total") from error
            received += len(chunk)
            if received > self._max_bytes:
                raise ResponseTooLarge(limit_bytes=self._max_bytes)
            yield chunk

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


class _SafeTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over a pool whose connections go through `CheckedBackend`."""

    def __init__(
        self,
        *,
        backend: CheckedBackend,
        ssl_context: ssl.SSLContext,
        limits: httpx2.Limits,
        allow_http: bool,
        max_bytes: int,
        total_timeout_s: float,
    ) -> None:
        # Not super().__init__(): it would build a pool without our backend.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=backend,
        )
        self._allow_http = allow_http
        self._max_bytes = max_bytes
        self._total_timeout_s = total_timeout_s

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.scheme != "https" and not (
            self._allow_http and request.url.scheme == "http"
        ):
            raise DestinationRefused
        deadline = asyncio.get_running_loop().time() + self._total_timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await super().handle_async_request(request)
        except TimeoutError as error:
            raise httpx2.ReadTimeout("the request took too long in total") from error
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.stream.aclose()
            raise httpx2.DecodingError("a compressed response was not asked for", request=request)
        return httpx2.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_LimitedStream(response.stream, max_bytes=self._max_bytes, deadline=deadline),
            extensions=response.extensions,
        )


class SafeAsyncClient(httpx2.AsyncClient):
    """An httpx2 client that never follows redirects, whatever a caller or SDK asks for."""

    @override
    async def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        auth: "httpx2._types.AuthTypes | httpx2._client.UseClientDefault | None" = (
            httpx2.USE_CLIENT_DEFAULT
        ),
        follow_redirects: "bool | httpx2._client.UseClientDefault" = httpx2.USE_CLIENT_DEFAULT,
    ) -> httpx2.Response:
        return await super().send(request, stream=stream, auth=auth, follow_redirects=False)


def safe_async_client(
    *,
    allow_private: bool = False,
    loopback_only: bool = False,
    timeout: httpx2.Timeout = DEFAULT_TIMEOUT,
    total_timeout_s: float = DEFAULT_TOTAL_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    limits: httpx2.Limits | None = None,
    ssl_context: ssl.SSLContext | None = None,
    backend: CheckedBackend | None = None,
) -> SafeAsyncClient:
    """Return a client for outbound HTTP; it belongs to the event loop that first uses it.

    Args:
        allow_private: Also reach loopback and private networks, also by plain http. Only for
            endpoints that staff configured, never for what a tenant, plugin or model supplies.
        loopback_only: Reach nothing but this machine (test runs).
        timeout: Limits in seconds per connect, read gap, write and wait for a pooled connection.
        total_timeout_s: Limit in seconds from the request to the last byte of the response.
        max_bytes: Largest response body in bytes.
        limits: Size of the connection pool.
        ssl_context: Replaces the default verifying context.
        backend: Replaces the network backend and thereby what is reachable.
    """
    reach = Reach.PRIVATE_TOO if allow_private else Reach.PUBLIC
    if loopback_only:
        reach = Reach.LOOPBACK_ONLY
    transport = _SafeTransport(
        backend=backend or CheckedBackend(reach=reach),
        ssl_context=ssl_context or default_ssl_context(),
        limits=limits or httpx2.Limits(max_connections=100, max_keepalive_connections=20),
        allow_http=allow_private or loopback_only,
        max_bytes=max_bytes,
        total_timeout_s=total_timeout_s,
    )
    return SafeAsyncClient(
        transport=transport,
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "Karen/1"},
    )
