"""WebSocket: from the Host header to a tenant in scope, and the same-origin check.

Order in `karen_site.asgi`: TenantASGI → SameOriginASGI → session → routes.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from apps.core import scope as context
from apps.core.concurrency import platform_db
from apps.tenants.middleware import refusal
from apps.tenants.resolver import cached_resolution, resolve

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CLOSE_FORBIDDEN_ORIGIN = 4403
CLOSE_UNKNOWN_HOST = 4404


def header(scope: Scope, name: bytes) -> str:
    """Return the only value of a header, or an empty string if it is absent or repeated."""
    values = [value for key, value in scope.get("headers", ()) if key.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


async def close(receive: Receive, send: Send, code: int) -> None:
    """Accept the handshake and close with a code, which browsers do not see on a refusal."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})


class TenantASGI:
    """Resolve the Host once per connection and run the rest inside its tenant."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        host = header(scope, b"host")
        known, resolution = cached_resolution(host)
        if not known:
            resolution = await platform_db(resolve, host)
        if refusal(resolution) is not None or resolution is None or resolution.ref is None:
            await close(receive, send, CLOSE_UNKNOWN_HOST)
            return
        with (
            context.tenant_scope(resolution.ref),
            context.correlation_scope(header(scope, b"x-correlation-id")),
        ):
            await self.app({**scope, "tenant": resolution.ref, "host": host}, receive, send)


class SameOriginASGI:
    """Refuse sockets opened by pages of another origin.

    The Origin must equal the Host exactly, port included: a wildcard such as `.example.org` would
    let one workspace's page open another's socket with its visitor's cookie (trap 10).

    A program has no Origin. It passes if it brings a credential in the `Authorization` header,
    which no page can set on a socket, and is then known by that alone, never by a cookie.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        names = {name.lower() for name, _value in scope.get("headers", ())}
        if b"origin" not in names and b"authorization" in names:
            await self.app(scope, receive, send)
            return
        origin = urlsplit(header(scope, b"origin"))
        scheme_fits = origin.scheme == ("https" if scope.get("scheme") == "wss" else "http")
        behind_tls = origin.scheme == "https"  # a proxy ended TLS in front of us
        if origin.netloc.lower() != scope["host"].lower() or not (scheme_fits or behind_tls):
            await close(receive, send, CLOSE_FORBIDDEN_ORIGIN)
            return
        await self.app(scope, receive, send)


async def refuse_unknown_path(_scope: Scope, receive: Receive, send: Send) -> None:
    """Close a socket that was opened at an address nobody serves."""
    await close(receive, send, CLOSE_UNKNOWN_HOST)
