"""What jobs learns from above: tasks, how to find a tenant, what to do with dead work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from apps.core.scope import TenantRef

# `chat` waits on remote models, `gpu.inference` owns the in-process model, `gpu.embedding` and
# `gpu.consolidation` are bulk work, `default` is the rest.
QUEUES = ("chat", "gpu.inference", "gpu.embedding", "gpu.consolidation", "default")

TenantResolver = Callable[[UUID], TenantRef | None]
LeaseHandler = Callable[[UUID], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What every task declares.

    Attributes:
        name: `<app>.<verb>`, under which services enqueue it.
        queue: The queue it goes to unless the caller names another.
        deadline_s: Seconds after which its own work must have stopped.
        expires_s: Seconds after which an unstarted message is worthless.
        idempotency: What makes running it twice harmless, in one word or phrase.
        tenant: Whether it works inside a tenant.
        gathers: Name of its one argument, a list. The relay then hands over once a second, in one
            message for each tenant, what was enqueued meanwhile. Empty: it starts at once.
    """

    name: str
    queue: str
    deadline_s: float
    expires_s: float
    idempotency: str
    tenant: bool
    gathers: str = ""


_specs: dict[str, TaskSpec] = {}
_lease_handlers: dict[str, LeaseHandler] = {}
_tenant_resolvers: list[TenantResolver] = []
_tenant_finders: list[TenantResolver] = []


class UnknownTask(LookupError):
    """A task name nobody declared; a programming error."""


def register_task(spec: TaskSpec) -> None:
    """Remember a task's declaration.

    Raises:
        ValueError: The name is declared with other properties already.
    """
    if _specs.setdefault(spec.name, spec) != spec:
        raise ValueError(f"task {spec.name!r} is declared twice")


def find_task(name: str) -> TaskSpec | None:
    """Return the declaration of `name`, if there is one."""
    return _specs.get(name)


def require_task(name: str) -> TaskSpec:
    """Return the declaration of `name`.

    Raises:
        UnknownTask: Nobody declared it.
    """
    spec = _specs.get(name)
    if spec is None:
        raise UnknownTask(name)
    return spec


def gathering_tasks() -> frozenset[str]:
    """Return the names of the tasks whose entries the relay gathers."""
    return frozenset(name for name, spec in _specs.items() if spec.gathers)


def registered_tasks() -> Mapping[str, TaskSpec]:
    """Return every declared task by name."""
    return dict(_specs)


def register_lease_handler(kind: str, handler: LeaseHandler) -> None:
    """Name what the reaper calls, inside the tenant, for a lease of `kind` that ran out."""
    if _lease_handlers.setdefault(kind, handler) is not handler:
        raise ValueError(f"lease kind {kind!r} has a handler already")


def lease_handler(kind: str) -> LeaseHandler | None:
    """Return the handler of `kind`, if any app declared one."""
    return _lease_handlers.get(kind)


def register_tenant_resolver(active: TenantResolver, any_state: TenantResolver) -> None:
    """Name the functions that find a tenant by id: only an active one, and one in any state."""
    _tenant_resolvers[:] = [active]
    _tenant_finders[:] = [any_state]


def tenant_exists(tenant_id: UUID) -> bool:
    """Say whether there is such a tenant, also a suspended one."""
    return any(find(tenant_id) is not None for find in _tenant_finders)


def resolve_tenant(tenant_id: UUID) -> TenantRef | None:
    """Return the active tenant with this id, or None.

    Raises:
        LookupError: No resolver was registered; a programming error.
    """
    if not _tenant_resolvers:
        raise LookupError("no tenant resolver registered")
    return _tenant_resolvers[0](tenant_id)
