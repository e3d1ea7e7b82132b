"""The life of a tenant: requested → provisioning → active ⇄ suspended → deleting."""

from enum import StrEnum


class TenantState(StrEnum):
    """Where a tenant is in its life."""

    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"


_NEXT: dict[TenantState, frozenset[TenantState]] = {
    TenantState.REQUESTED: frozenset({TenantState.PROVISIONING, TenantState.DELETING}),
    TenantState.PROVISIONING: frozenset({TenantState.ACTIVE, TenantState.DELETING}),
    TenantState.ACTIVE: frozenset({TenantState.SUSPENDED, TenantState.DELETING}),
    TenantState.SUSPENDED: frozenset({TenantState.ACTIVE, TenantState.DELETING}),
    TenantState.DELETING: frozenset(),
}


def can_become(present: TenantState, wanted: TenantState) -> bool:
    """Say whether a tenant may go from `present` to `wanted`."""
    return wanted in _NEXT[present]
