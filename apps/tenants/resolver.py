"""From a host name or an id to a tenant: the one way for HTTP, WebSocket and tasks.

Answers are kept in this process for a few seconds, so that a page with many requests asks the
database once and a suspension still takes effect almost at once.
"""

import threading
import time
from collections import OrderedDict
from uuid import UUID

from django.conf import settings

from apps.core.scope import TenantRef
from apps.tenants.contracts import HostResolution
from apps.tenants.domain.states import TenantState
from apps.tenants.models import Domain, Tenant

_KNOWN_S, _UNKNOWN_S = 5.0, 1.0
_ACTIVE_S = 2.0  # for tasks, of which there are many a second
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

    def put(self, host: str, resolution: HostResolution | None, *, lifetime_s: float) -> None:
        with self._lock:
            self._entries[host] = (time.monotonic() + lifetime_s, resolution)
            while len(self._entries) > _ENTRIES_MAX:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()
_active = _Cache()  # by tenant id; holds nothing that is not active


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
    lifetime_s = _KNOWN_S if resolution is not None else _UNKNOWN_S
    _cache.put(name, resolution, lifetime_s=lifetime_s)
    return resolution


def find_active_ref(tenant_id: UUID) -> TenantRef | None:
    """Return the tenant with this id if work may be done for it."""
    _known, kept = _active.get(str(tenant_id))
    if kept is not None:
        return kept.ref
    tenant = Tenant.objects.filter(pk=tenant_id, state=TenantState.ACTIVE).first()
    if tenant is None:
        return None
    ref = ref_of(tenant)
    _active.put(str(tenant_id), HostResolution(ref=ref, state=tenant.state), lifetime_s=_ACTIVE_S)
    return ref


def forget_hosts() -> None:
    """Drop this process's answers; called when a tenant or domain changes here."""
    _cache.clear()
    _active.clear()


def ref_of(tenant: Tenant) -> TenantRef:
    """Return the reference code works with."""
    return TenantRef(id=tenant.id, slug=tenant.slug, schema=tenant.schema_name, name=tenant.name)
