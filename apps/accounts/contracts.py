"""What crosses the border of `apps.accounts`."""

from dataclasses import dataclass
from uuid import UUID

from apps.core.scope import TenantRef


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
