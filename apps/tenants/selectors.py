"""Reading the book of tenants."""

import time
from uuid import UUID

from django.conf import settings

from apps.core import scope
from apps.core.crypto import unwrap_data_key
from apps.core.scope import TenantRef
from apps.tenants.contracts import PlanLimits
from apps.tenants.domain.slugs import numbered, slug_from_name, slug_problem
from apps.tenants.domain.states import TenantState
from apps.tenants.errors import TenantNotFound
from apps.tenants.models import Domain, SchemaTemplate, SpareSchema, Tenant
from apps.tenants.resolver import find_active_ref, is_platform_host, ref_of

__all__ = [
    "data_key_of",
    "find_active_ref",
    "find_ref",
    "find_ref_by_slug",
    "forget_limits",
    "is_leaving",
    "is_platform_host",
    "limits_of",
    "list_refs",
    "platform_url",
    "slug_is_free",
    "suggest_slug",
    "workspace_url",
]

_SUGGESTIONS_MAX = 99


def find_ref(tenant_id: UUID) -> TenantRef | None:
    """Return the tenant with this id, whatever its state."""
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    return ref_of(tenant) if tenant else None


def find_ref_by_slug(slug: str) -> TenantRef | None:
    """Return the tenant with this slug, whatever its state."""
    tenant = Tenant.objects.filter(slug=slug).first()
    return ref_of(tenant) if tenant else None


def is_leaving(tenant_id: UUID) -> bool:
    """Say whether a tenant is being deleted, or is no more; a suspended one comes back."""
    staying = Tenant.objects.filter(pk=tenant_id).exclude(state=TenantState.DELETING)
    return not staying.exists()


def list_refs() -> tuple[TenantRef, ...]:
    """Return every active tenant, by slug."""
    return tuple(ref_of(t) for t in Tenant.objects.filter(state=TenantState.ACTIVE))


_LIMITS_TTL_S = 10.0
_limits: dict[UUID, tuple[float, PlanLimits]] = {}


def limits_of(tenant_id: UUID) -> PlanLimits:
    """Return what the tenant's plan allows; a change shows within ten seconds."""
    known = _limits.get(tenant_id)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    stored = Tenant.objects.filter(pk=tenant_id).values_list("plan__limits", flat=True).first()
    limits = PlanLimits.model_validate(stored or {})
    _limits[tenant_id] = (time.monotonic() + _LIMITS_TTL_S, limits)
    return limits


def forget_limits() -> None:
    """Have the next question about limits ask the database; for this process."""
    _limits.clear()


def spare_count() -> int:
    """Return how many empty schemas are ready."""
    return SpareSchema.objects.count()


def template_is_ready() -> bool:
    """Say whether any tenant template was built."""
    return SchemaTemplate.objects.exists()


def primary_host(ref: TenantRef) -> str:
    """Return the tenant's main host name."""
    domain = Domain.objects.filter(tenant_id=ref.id, is_primary=True).first()
    return str(domain.domain) if domain else f"{ref.slug}.{settings.BASE_DOMAIN}"


def workspace_url(ref: TenantRef, path: str = "/") -> str:
    """Return an absolute address inside a workspace."""
    return f"{settings.SCHEME}://{primary_host(ref)}{settings.LINK_PORT}{path}"


def platform_url(path: str = "/") -> str:
    """Return an absolute address on the platform's own host."""
    return f"{settings.SCHEME}://{settings.BASE_DOMAIN}{settings.LINK_PORT}{path}"


def slug_is_free(slug: str) -> bool:
    """Say whether no tenant has `slug` and no domain uses its host."""
    host = f"{slug}.{settings.BASE_DOMAIN}"
    with scope.tenant_scope(None):
        return not (
            Tenant.objects.filter(slug=slug).exists() or Domain.objects.filter(domain=host).exists()
        )


def suggest_slug(name: str) -> str:
    """Return a free, valid slug for an organisation's name; numbered when the plain one is taken.

    Falls back to `team` with a number when the name holds nothing usable.
    """
    base = slug_from_name(name)
    if slug_problem(base) is not None:
        base = numbered(base, 1) if base and slug_problem(numbered(base, 1)) is None else "team-1"
    if slug_is_free(base):
        return base
    for number in range(2, _SUGGESTIONS_MAX):
        candidate = numbered(base, number)
        if slug_is_free(candidate):
            return candidate
    return numbered(base, Tenant.objects.count() + _SUGGESTIONS_MAX)


def data_key_of(tenant_id: UUID) -> bytes:
    """Return the 32-byte key under which a tenant's secrets are sealed; keep it nowhere.

    Raises:
        TenantNotFound: There is no such tenant, or its key was destroyed.
        UnsealError: The platform key changed.
    """
    wrapped = Tenant.objects.filter(pk=tenant_id).values_list("wrapped_data_key", flat=True).first()
    if not wrapped:
        raise TenantNotFound
    return unwrap_data_key(bytes(wrapped), tenant_id=tenant_id)
