"""WebSocket: from a session cookie or an API key to an actor.

Runs inside `apps.tenants.asgi.TenantASGI` and behind its check of the Origin.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.http.cookie import parse_cookie

from apps.accounts import services
from apps.accounts.domain.key_format import bearer_of
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


def credential_of(scope: Scope) -> str:
    """Return the API key of a handshake, else its session key, else an empty string.

    A handshake with an `Authorization` header is known by it alone: behind the check of the
    Origin it may come from no page at all, so its cookies must not count.
    """
    lines = [value for name, value in scope.get("headers", ()) if name.lower() == b"authorization"]
    if not lines:
        return session_key_of(scope)
    return bearer_of(lines[0].decode("latin-1")) or "" if len(lines) == 1 else ""


class SessionAuthASGI:
    """Put who a socket belongs to into its scope: `actor` (or None) and `session_key`.

    `session_key` is whatever credential the handshake carried; `services.actor_of_credential`
    says who it stands for, now and later.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        key = credential_of(scope)
        actor = None
        if key:
            actor = await tenant_db(services.actor_of_credential, key, context.require())
        await self.app({**scope, "actor": actor, "session_key": key}, receive, send)
