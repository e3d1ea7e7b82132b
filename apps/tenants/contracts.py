"""What crosses the border of `apps.tenants`."""

from dataclasses import dataclass

from apps.core.scope import TenantRef


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """What a fleet migration did.

    Attributes:
        version: The version every schema should now have.
        migrated: Schemas that were brought to it.
        skipped: Schemas that had it already.
        failed: Schema name to the reason it failed; the rest of the fleet went on.
    """

    version: str
    migrated: tuple[str, ...]
    skipped: int
    failed: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResolution:
    """What a host name leads to: a tenant with its state, or the platform itself.

    Attributes:
        ref: The tenant; None for the platform's own host.
        state: The tenant's state; empty for the platform.
    """

    ref: TenantRef | None
    state: str = ""
