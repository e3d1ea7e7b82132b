"""The policy of a workspace's memory: changed by its administrators."""

from dataclasses import asdict
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.errors import InvalidInput, PermissionDenied
from apps.core.scope import Actor
from apps.memory.contracts import DAYS_MAX, DAYS_MIN, MEMORIES_MAX, MEMORIES_MIN, PolicyView
from apps.memory.models import MemoryPolicy
from apps.memory.selectors import policy_view

_THE_ONE = UUID(int=1)  # a workspace has one row, whoever writes it first
_NEVER = ("retention_days", "said_retention_days")  # None is for ever


@transaction.atomic
def change_memory_policy(*, actor: Actor, permission: str, wanted: PolicyView) -> PolicyView:
    """Have a policy hold from now on; changing nothing is no change.

    Args:
        actor: Who decides.
        permission: What the edge demands.
        wanted: The whole policy.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: A number is out of range; says which.
    """
    if not actor.may(permission):
        raise PermissionDenied(permission)
    _check(wanted)
    MemoryPolicy.objects.bulk_create([MemoryPolicy(pk=_THE_ONE)], ignore_conflicts=True)
    row = MemoryPolicy.objects.select_for_update().order_by("pk")[0]
    old, new = asdict(policy_view(row)), asdict(wanted)
    changed = sorted(name for name, value in new.items() if old[name] != value)
    if not changed:
        return wanted
    for name in changed:
        setattr(row, name, new[name])
    row.updated_at = now()
    row.save(update_fields=[*changed, "updated_at"])
    audit.record(
        action="memory.policy_changed",
        target_type="memory_policy",
        target_id=row.pk,
        target_label="memory policy",
        old={name: old[name] for name in changed},
        new={name: new[name] for name in changed},
    )
    return wanted


def _check(wanted: PolicyView) -> None:
    problems: dict[str, list[str]] = {}
    for name, value in asdict(wanted).items():
        if name.endswith("_days"):
            least, most = DAYS_MIN, DAYS_MAX
        elif name.endswith("_max"):
            least, most = MEMORIES_MIN, MEMORIES_MAX
        else:
            continue
        if value is None and name in _NEVER:
            continue
        if not least <= value <= most:
            problems[name] = [f"Give a whole number from {least} to {most}."]
    if problems:
        raise InvalidInput(fields=problems)
