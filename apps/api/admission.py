"""What the doors that take API keys alone ask of every request, before anything else of Django.

In this order: HTTPS, Host → workspace, key → holder. Cookies mean nothing here, so no page of
another origin can act for its visitor.
"""

from django.conf import settings

from apps.accounts import services as accounts
from apps.accounts.contracts import KeyHolder
from apps.accounts.domain.key_format import bearer_of
from apps.api.exchange import Exchange, Scope
from apps.core import ratelimit
from apps.core.concurrency import platform_db
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.scope import TenantRef
from apps.tenants.errors import TenantNotFound
from apps.tenants.middleware import refusal
from apps.tenants.resolver import cached_resolution, resolve

CHALLENGE = 'Bearer realm="workspace"'

_PERIOD_S = 60.0


def common_headers(correlation_id: str) -> dict[str, str]:
    """Return the headers of every answer."""
    headers = {
        "X-Correlation-ID": correlation_id,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    if settings.SECURE_HSTS_SECONDS:
        headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"
    return headers


def require_secure(exchange: Exchange, scope: Scope) -> None:
    """Refuse plain HTTP where this installation wants HTTPS.

    Raises:
        PermissionDenied: A redirect would ask for the key in the clear once more.
    """
    if settings.SECURE_SSL_REDIRECT and not _is_secure(exchange, scope):
        raise PermissionDenied


def _is_secure(exchange: Exchange, scope: Scope) -> bool:
    if scope.get("scheme") == "https":
        return True
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER
    sent = exchange.header(name.removeprefix("HTTP_").replace("_", "-").lower().encode())
    return sent.partition(",")[0].strip() == value


async def tenant_of(host: str) -> TenantRef:
    """Return the workspace that a Host header leads to.

    Raises:
        TenantNotFound: It leads to none; the platform's own host does not either.
        TenantSuspended: The workspace is closed.
        TenantProvisioning: The workspace is not open yet.
    """
    known, resolution = cached_resolution(host)
    if not known:
        resolution = await platform_db(resolve, host)
    refused = refusal(resolution)
    if refused is not None:
        raise refused
    if resolution is None or resolution.ref is None:
        raise TenantNotFound
    return resolution.ref


async def holder_of(exchange: Exchange, tenant: TenantRef) -> KeyHolder:
    """Return who presents a key of this workspace.

    Raises:
        NotAuthenticated: No key is presented.
        ApiKeyInvalid: It opens nothing here.
    """
    token = bearer_of(exchange.header(b"authorization"))
    if token is None:
        raise NotAuthenticated
    return await accounts.holder_of_key_async(token, tenant)


def request_limit(name: str, holder: KeyHolder) -> ratelimit.Limit:
    """Return how many requests a minute the holder's keys may send to a door."""
    burst = holder.requests_per_minute or settings.API_REQUESTS_PER_MINUTE
    return ratelimit.Limit(name=name, burst=burst, period_s=_PERIOD_S)
