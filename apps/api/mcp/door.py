"""The way in: `/mcp/memory` on every workspace's host.

In this order: HTTPS, Host → workspace, Origin, API key → actor, method, rate limit, body. A page
that was led here by a name server's lie has a Host that is no workspace; a page of another origin
has an Origin that is not ours. Everything else goes on to Django.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from contextvars import copy_context
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from apps.accounts.errors import ApiKeyInvalid
from apps.accounts.permissions import MEMORY_READ
from apps.api.admission import (
    CHALLENGE,
    common_headers,
    holder_of,
    request_limit,
    require_secure,
    tenant_of,
)
from apps.api.exchange import ClientGone, Exchange, Message, Receive, Scope, Send
from apps.api.mcp.calling import EDGE, offered
from apps.core import ratelimit, scope as context
from apps.core.envelope import error_body
from apps.core.errors import (
    InternalError,
    KarenError,
    MethodNotAllowed,
    NotAuthenticated,
    PermissionDenied,
)
from apps.core.logging import get_logger
from apps.core.metrics import errors_total, unhandled_total

logger = get_logger(__name__)

PATH = "/mcp/memory"

_REFUSED, _BROKEN = -32000, -32603  # JSON-RPC's codes: ours to give, and "internal error"

_BODY_MAX_BYTES = 1024 * 1024

Serve: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]  # each framework has own types


class MemoryDoor:
    """Answer `/mcp/memory`; hand everything else to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._serve: Serve | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["path"].rstrip("/") != PATH:
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        with context.correlation_scope(exchange.header(b"x-correlation-id")) as correlation_id:
            headers = common_headers(correlation_id)
            exchange.always_send(headers)
            await self._answered(exchange, scope, _with_headers(exchange, send, headers))

    async def _answered(self, exchange: Exchange, scope: Scope, send: Send) -> None:
        try:
            await self._admitted(exchange, scope, send)
        except ClientGone:
            logger.info("mcp.client_gone")
        except KarenError as error:
            await _refused(exchange, error)
        except Exception:  # no framework above would answer in this protocol's shape
            unhandled_total.labels(EDGE).inc()
            logger.exception("mcp.failed")
            await _refused(exchange, InternalError())

    async def _admitted(self, exchange: Exchange, scope: Scope, send: Send) -> None:
        require_secure(exchange, scope)
        tenant = await tenant_of(exchange.header(b"host"))
        _require_own_origin(exchange, scope)
        with ExitStack() as entered:
            entered.enter_context(context.tenant_scope(tenant))
            holder = await holder_of(exchange, tenant)
            actor = entered.enter_context(context.actor_scope(holder.actor))
            if actor.id is None:
                raise ApiKeyInvalid
            if not offered(actor):
                raise PermissionDenied(MEMORY_READ)
            if exchange.method != "POST":  # no stream is offered, and there is no session to end
                raise MethodNotAllowed
            await ratelimit.enforce_async(request_limit("mcp.requests", holder), actor.id.hex)
            body = await exchange.body(limit=_BODY_MAX_BYTES)
            if self._serve is None:
                self._serve = await _imported_elsewhere()
            await self._serve(scope, _replayed(body), send)


def _with_headers(exchange: Exchange, send: Send, headers: dict[str, str]) -> Send:
    """Return a `send` that adds headers to what the SDK answers, and notes that it began."""
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.started = True
            message = {**message, "headers": [*message.get("headers", ()), *lines]}
        await send(message)

    return sending


async def _refused(exchange: Exchange, error: KarenError) -> None:
    errors_total.labels(error.code, EDGE).inc()
    if exchange.started:
        return
    headers = dict(error.headers())
    if error.status == NotAuthenticated.status:
        headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = "POST"
    code = _REFUSED if error.status < InternalError.status else _BROKEN
    told = {"code": code, "message": error.message(), "data": error_body(error)}
    document = {"jsonrpc": "2.0", "id": None, "error": told}
    await exchange.answer(document, status=error.status, headers=headers)


def _require_own_origin(exchange: Exchange, scope: Scope) -> None:
    """Refuse pages of other origins; programs have none.

    Raises:
        PermissionDenied: The Origin is not this workspace's own, or there are several.
    """
    if b"origin" not in {name.lower() for name, _value in scope.get("headers", ())}:
        return
    origin = urlsplit(exchange.header(b"origin"))
    own = origin.netloc.lower() == exchange.header(b"host").lower()
    # A proxy may have ended TLS in front of us, so https fits in any case.
    if not own or origin.scheme not in {"https", scope.get("scheme", "http")}:
        raise PermissionDenied


def _replayed(body: bytes) -> Receive:
    """Return a `receive` that gives the body once and then waits for an end that never matters."""
    given = asyncio.Event()

    async def receive() -> Message:
        if given.is_set():
            await asyncio.Event().wait()
        given.set()
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _imported_elsewhere() -> Serve:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, copy_context().run, _imported)


def _imported() -> Serve:
    # lint: allow function-import: the SDK takes 1.4 s to import, which only its users shall pay
    from apps.api.mcp.server import serve

    return serve
