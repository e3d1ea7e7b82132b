"""What crosses the border of `apps.tenants`."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

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


class PlanLimits(BaseModel):
    """What a plan allows; a limit that is not set is the installation's default.

    Attributes:
        message_characters: Characters of one message.
        messages_per_minute: Messages of one person in 60 seconds.
        turns_per_user: Answers of one person that are waited for or written at the same time.
        turns_per_tenant: The same for the whole workspace.
        api_requests_per_minute: Requests of one person's keys to `/v1/` in 60 seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    message_characters: int | None = Field(default=None, ge=1, le=1_000_000)
    messages_per_minute: int | None = Field(default=None, ge=1, le=100_000)
    turns_per_user: int | None = Field(default=None, ge=1, le=10_000)
    turns_per_tenant: int | None = Field(default=None, ge=1, le=100_000)
    api_requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
