"""WebSocket: from the session cookie to an actor. Runs inside `apps.tenants.asgi.TenantASGI`."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.http.cookie import parse_cookie

from apps.accounts import selectors
from apps.core import scope as context
from apps.core.concurrency import tenant_db

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def session_key_of(scope: Scope) -> str:
    """Return the session key in a handshake's cookies, or an empty string."""
    lines = [value for name, value in scope.get("headers", ()) if name.lower() == b"cookie"]
    cookies = parse_cookie(b"; ".join(lines).decode("latin-1"))
    return cookies.get(settings.SESSION_COOKIE_NAME, "")


class SessionAuthASGI:
    """Put who a socket belongs to into its scope: `actor` (or None) and `session_key`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        key = session_key_of(scope)
        actor = None
        if key:
            actor = await tenant_db(selectors.actor_of_session, key, context.require())
        await self.app({**scope, "actor": actor, "session_key": key}, receive, send)
