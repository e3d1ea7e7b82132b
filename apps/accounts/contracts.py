"""What crosses the border of `apps.accounts`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.scope import Actor, TenantRef


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedUp:
    """A new person with a new workspace.

    Attributes:
        user_id: The person.
        tenant: The workspace they own.
    """

    user_id: UUID
    tenant: TenantRef


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceMembership:
    """One workspace a person may open.

    Attributes:
        tenant: The workspace.
        role: Code of the person's role in it.
        url: Where it is.
    """

    tenant: TenantRef
    role: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One person's place in one workspace.

    Attributes:
        user_id: The person.
        email: Their address.
        name: What they are called; may be empty.
        role: Code of their role.
    """

    user_id: UUID
    email: str
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyView:
    """An API key as its owner sees it, without the secret.

    Attributes:
        id: Its identity.
        name: What the owner calls it.
        prefix: Its public beginning, `karen_<prefix>`.
        scopes: Permission codes it was given; it never does more than its owner may.
        expires_at: When it stops working; None for never.
        last_used_at: When it was last used, to the minute; None for never.
        created_at: When it was made.
    """

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key that was just made; `token` is shown this once and kept nowhere."""

    key: ApiKeyView
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """Who presents a valid API key.

    Attributes:
        key_id: The key.
        actor: Its owner, with no more permissions than the key was given.
        expires_at: When the key stops working; None for never.
        requests_per_minute: What the workspace's plan allows its owner's keys; None for what the
            installation does.
    """

    key_id: UUID
    actor: Actor
    expires_at: datetime | None
    requests_per_minute: int | None = None
