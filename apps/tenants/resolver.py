"""From a host name to a tenant: the one way for HTTP and WebSocket.

Answers are kept in this process for a few seconds, so that a page with many requests asks the
database once and a suspension still takes effect almost at once.
"""

import threading
import time
from collections import OrderedDict

from django.conf import settings

from apps.core.scope import TenantRef
from apps.tenants.contracts import HostResolution
from apps.tenants.models import Domain, Tenant

_KNOWN_S, _UNKNOWN_S = 5.0, 1.0
_ENTRIES_MAX = 10_000

_PLATFORM = HostResolution(ref=None)


class _Cache:
    """Bounded map of host → resolution with an expiry, safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, HostResolution | None]] = OrderedDict()

    def get(self, host: str) -> tuple[bool, HostResolution | None]:
        with self._lock:
            entry = self._entries.get(host)
            if entry is None or entry[0] < time.monotonic():
                return False, None
            return True, entry[1]

    def put(self, host: str, resolution: HostResolution | None) -> None:
        lifetime = _KNOWN_S if resolution is not None else _UNKNOWN_S
        with self._lock:
            self._entries[host] = (time.monotonic() + lifetime, resolution)
            while len(self._entries) > _ENTRIES_MAX:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()


def normalised_host(host: str) -> str:
    """Return a Host header's name without port, in lower case, without a final dot."""
    name = host.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


def is_platform_host(host: str) -> bool:
    """Say whether `host` is the platform's own."""
    return normalised_host(host) in settings.PLATFORM_HOSTS


def cached_resolution(host: str) -> tuple[bool, HostResolution | None]:
    """Return (known, resolution) without touching the database."""
    name = normalised_host(host)
    if name in settings.PLATFORM_HOSTS:
        return True, _PLATFORM
    return _cache.get(name)


def resolve(host: str) -> HostResolution | None:
    """Return what `host` leads to, or None for a host nobody registered."""
    known, resolution = cached_resolution(host)
    if known:
        return resolution
    name = normalised_host(host)
    domain = Domain.objects.select_related("tenant").filter(domain=name).first()
    resolution = None
    if domain is not None:
        tenant = domain.tenant
        resolution = HostResolution(ref=ref_of(tenant), state=tenant.state)
    _cache.put(name, resolution)
    return resolution


def forget_hosts() -> None:
    """Drop this process's answers; called when a tenant or domain changes here."""
    _cache.clear()


def ref_of(tenant: Tenant) -> TenantRef:
    """Return the reference code works with."""
    return TenantRef(id=tenant.id, slug=tenant.slug, schema=tenant.schema_name, name=tenant.name)
