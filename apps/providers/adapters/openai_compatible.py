"""Any endpoint that speaks OpenAI's chat completions, through the `openai` SDK.

The SDK builds requests, signs them and sorts errors; its retries and redirects are off. Chunks
are read from its raw streaming response and decoded with msgspec: building the SDK's own chunk
objects costs three times what all of Django does (decisions, section 6).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from ipaddress import ip_address
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import httpx2
import msgspec
import openai
from django.conf import settings

from apps.core import clock
from apps.core.errors import KarenError, ProgrammingFault
from apps.core.http import (
    DestinationRefused,
    ResponseTooLarge,
    SafeAsyncClient,
    default_ssl_context,
    safe_async_client,
)
from apps.providers.adapters.openai_wire import AnswerParts, arguments_of
from apps.providers.catalogue import installed_endpoint
from apps.providers.contracts import ModelRequest, ProviderEvent
from apps.providers.domain.backoff import retry_after_s
from apps.providers.domain.sse import SseError, SseSplitter
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from apps.providers.registry import Endpoint

TIMEOUT = httpx2.Timeout(connect=5.0, read=120.0, write=30.0, pool=5.0)
TOTAL_TIMEOUT_S = 600.0
GRACE_S = 5.0  # for usage and the end of the body after the finish reason
MAX_BYTES = 64 * 1024 * 1024
# One process streams many answers at once; each holds its connection for as long as it lasts.
LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=200, keepalive_expiry=30.0)

_CONTEXT_CODES = frozenset({"context_length_exceeded", "string_above_max_length"})
_OPERATOR_STATUS = {
    401: "the endpoint refuses the API key",
    402: "the account behind the API key has no credit",
    403: "the API key may not use this model",
    404: "the endpoint does not know this model or path: check OPENAI_BASE_URL and OPENAI_MODELS",
}


class NetworkForbidden(ProgrammingFault):
    """A test would have reached a real provider."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"PROVIDERS_ALLOW_NETWORK is False, so {host} is out of reach. Use the echo provider "
            "or start tests/stubs/upstream.py and point OPENAI_BASE_URL at it."
        )


def _status_error(error: openai.APIStatusError) -> KarenError:
    status = error.status_code
    if status in _OPERATOR_STATUS:
        return ConfigurationError(_OPERATOR_STATUS[status], key_refused=status in {401, 402})
    if status == 429 and error.code == "insufficient_quota":
        return ConfigurationError(_OPERATOR_STATUS[402], key_refused=True)
    if status in {408, 409, 425, 429} or status >= 500:
        asked = retry_after_s(error.response.headers.get("retry-after"), now=clock.now())
        return ProviderUnavailable(retry_after_s=asked, rate_limited=status == 429)
    if status < 400:
        return ConfigurationError("the endpoint redirects: set OPENAI_BASE_URL to its real address")
    return ContextTooLong() if error.code in _CONTEXT_CODES else ProviderRejected()


def translate(error: Exception) -> KarenError:
    """Return our error for one of the SDK or its transport; never carries the vendor's words."""
    match error:
        case openai.APIStatusError():
            return _status_error(error)
        case openai.APITimeoutError(__cause__=httpx2.ConnectTimeout() | httpx2.PoolTimeout()):
            return ProviderUnavailable()  # nothing was sent yet: worth another attempt
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return ProviderTimeout()
        case openai.APIConnectionError():
            return ProviderUnavailable()
        case DestinationRefused():
            return ConfigurationError(
                "OPENAI_BASE_URL points to an address that is never contacted"
            )
        case _:
            return ProviderInterrupted()


TRANSLATED = (
    openai.APIError,
    httpx2.HTTPError,
    httpx2.StreamError,
    DestinationRefused,
    ResponseTooLarge,
    msgspec.DecodeError,
    SseError,
)


_FAILURES = (*TRANSLATED, KarenError)


def _installed_endpoint() -> Endpoint:
    return Endpoint(
        base_url=installed_endpoint(),
        api_key=settings.OPENAI_API_KEY,
        allow_private=True,
        label="OPENAI_BASE_URL",
    )


class OpenAICompatibleAdapter:
    """Streams chat completions from one endpoint.

    Without one it is the installation's own, in `OPENAI_BASE_URL`.
    """

    def __init__(
        self,
        endpoint: Endpoint | None = None,
        *,
        timeout: httpx2.Timeout = TIMEOUT,
        grace_s: float = GRACE_S,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._grace_s = grace_s
        # A client's connections belong to one event loop; settings may change in tests.
        self._clients: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[Endpoint, openai.AsyncOpenAI]
        ] = WeakKeyDictionary()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events; closing drops the connection, which stops the model.

        Raises:
            KarenError: As `stream_batches`.
        """
        async with aclosing(self.stream_batches(request)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def stream_batches(
        self, request: ModelRequest
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yield together what the endpoint sent together; closing drops the connection.

        Raises:
            ProviderUnavailable: Not reachable, overloaded, rate limited (or `ProviderTimeout`).
            ProviderInterrupted: Cut, garbled, or ended without a finish reason.
            ProviderRejected: The request is refused (or `ContextTooLong`).
            ConfigurationError: Key, address or model are wrong.
        """
        parts = AnswerParts()
        batch: list[ProviderEvent] = []
        try:
            body = arguments_of(request)
            # Handed over beside the parameters: the SDK walks through those by their types, which
            # with a few tools costs more than the rest of the request.
            manager = self.client().chat.completions.with_streaming_response.create(
                model=body["model"], messages=(), stream=True, extra_body=body
            )
            async with manager as response, aclosing(response.http_response.aiter_raw()) as chunks:
                splitter = SseSplitter()
                while (chunk := await self._next(chunks, parts)) is not None:
                    for data in splitter.feed(chunk):
                        batch += parts.events(data)
                    if batch:
                        yield batch
                        batch = []
        except _FAILURES as error:
            if batch:
                yield batch  # what came before the failure in the same read
            # Whatever breaks after the finish reason does not make the answer incomplete.
            if not parts.finished:
                if isinstance(error, KarenError) and not isinstance(error, TRANSLATED):
                    raise
                raise translate(error) from error
        yield parts.end()

    async def _next(self, chunks: AsyncGenerator[bytes, None], parts: AnswerParts) -> bytes | None:
        if not parts.finished:
            return await anext(chunks, None)
        try:
            async with asyncio.timeout(self._grace_s):
                return await anext(chunks, None)
        except TimeoutError:
            return None

    def client(self) -> openai.AsyncOpenAI:
        """Return the running event loop's client of the endpoint."""
        endpoint = self._endpoint or _installed_endpoint()
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        if endpoint not in clients:
            clients[endpoint] = _new_client(endpoint, timeout=self._timeout)
        return clients[endpoint]

    async def aclose(self) -> None:
        """Close the running event loop's connections."""
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.close()


def warm() -> None:
    """Load what the first request would wait for: the SDK's resources, the trusted certificates.

    The SDK imports its resources when they are first named, which takes half a second.
    """
    import_module("openai.resources.chat.completions")
    default_ssl_context()


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def http_client(
    endpoint: Endpoint,
    *,
    timeout: httpx2.Timeout = TIMEOUT,
    total_timeout_s: float = TOTAL_TIMEOUT_S,
    max_bytes: int = MAX_BYTES,
) -> SafeAsyncClient:
    """Return a client that reaches an endpoint and nothing that it may not reach.

    Raises:
        NetworkForbidden: A test would have reached a real provider.
    """
    host = urlsplit(endpoint.base_url).hostname or ""
    offline = not settings.PROVIDERS_ALLOW_NETWORK
    if offline and not _is_loopback(host):
        raise NetworkForbidden(host)
    return safe_async_client(
        allow_private=endpoint.allow_private,
        loopback_only=offline and endpoint.allow_private,
        timeout=timeout,
        total_timeout_s=total_timeout_s,
        max_bytes=max_bytes,
        limits=LIMITS,
    )


def _new_client(endpoint: Endpoint, *, timeout: httpx2.Timeout) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        api_key=endpoint.api_key or "none",  # local servers ask for none, the SDK insists on one
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=timeout,
        http_client=http_client(endpoint, timeout=timeout),
    )
