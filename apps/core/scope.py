"""Who is acting, in which tenant, under which correlation id.

Three context variables carry the scope of the running request, socket frame or task. They follow
`await`, tasks created from the current one, and `concurrency.tenant_db`; they never leak between
concurrent requests because each runs in its own context. The database backend reads the tenant
before every cursor, so nothing else ever selects a schema.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from apps.core.errors import NoTenantInScope
from apps.core.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRef:
    """The part of a tenant that code needs to work inside it.

    Attributes:
        id: The tenant's identity.
        slug: The name in its host; for people and log lines only.
        schema: The PostgreSQL schema that holds its content.
        name: What people call it.
    """

    id: UUID
    slug: str
    schema: str
    name: str = ""


class ActorKind(StrEnum):
    """What sort of party does something."""

    USER = "user"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, with what they may do in the current tenant.

    Attributes:
        id: The user's id; None for the system itself.
        label: A copy of the readable name, kept beside the id in records.
        kind: User, operator or system.
        permissions: Dotted permission codes that hold in the current tenant.
    """

    id: UUID | None
    label: str
    kind: ActorKind = ActorKind.USER
    permissions: frozenset[str] = field(default_factory=frozenset)

    def may(self, permission: str) -> bool:
        """Say whether this actor holds `permission` in the current tenant."""
        return self.kind is ActorKind.SYSTEM or permission in self.permissions


SYSTEM = Actor(id=None, label="system", kind=ActorKind.SYSTEM)
ANONYMOUS = Actor(id=None, label="anonymous")

_tenant: ContextVar[TenantRef | None] = ContextVar("karen_tenant", default=None)
_actor: ContextVar[Actor | None] = ContextVar("karen_actor", default=None)
_correlation_id: ContextVar[str] = ContextVar("karen_correlation_id", default="")

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def current() -> TenantRef | None:
    """Return the tenant in scope, or None on the platform itself."""
    return _tenant.get()


def require() -> TenantRef:
    """Return the tenant in scope.

    Raises:
        NoTenantInScope: No tenant was entered; a programming error, never shown to users.
    """
    ref = _tenant.get()
    if ref is None:
        raise NoTenantInScope
    return ref


@contextmanager
def tenant_scope(ref: TenantRef | None) -> Iterator[TenantRef | None]:
    """Enter `ref` for the duration of the block; None enters the platform itself."""
    token = _tenant.set(ref)
    try:
        yield ref
    finally:
        _tenant.reset(token)


def current_actor() -> Actor:
    """Return who acts; where nobody was named, an anonymous actor who may do nothing.

    Tasks and commands name `SYSTEM` themselves: a forgotten scope must not open doors.
    """
    return _actor.get() or ANONYMOUS


@contextmanager
def actor_scope(actor: Actor) -> Iterator[Actor]:
    """Name who acts for the duration of the block."""
    token = _actor.set(actor)
    try:
        yield actor
    finally:
        _actor.reset(token)


def correlation_id() -> str:
    """Return the correlation id in scope, or an empty string outside any request or task."""
    return _correlation_id.get()


def new_correlation_id() -> str:
    """Return a fresh correlation id."""
    return new_id().hex


def accepted_correlation_id(offered: str | None) -> str:
    """Return `offered` when it is well formed (8-64 of letters, digits, `._-`), else a new id.

    A caller's id is data from outside: anything unusual is replaced, never logged.
    """
    if offered and _CORRELATION_ID.fullmatch(offered):
        return offered
    return new_correlation_id()


@contextmanager
def correlation_scope(value: str | None = None) -> Iterator[str]:
    """Carry a correlation id for the duration of the block; a new one when none is given."""
    accepted = accepted_correlation_id(value)
    token = _correlation_id.set(accepted)
    try:
        yield accepted
    finally:
        _correlation_id.reset(token)
