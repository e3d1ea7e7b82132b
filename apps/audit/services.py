"""Writing the audit record."""

from collections.abc import Mapping

from django.db import DatabaseError, transaction

from apps.audit.models import AuditEntry
from apps.audit.registry import require_action
from apps.core import scope
from apps.core.logging import get_logger

logger = get_logger(__name__)

Values = Mapping[str, object]


def record(
    *,
    action: str,
    target_type: str,
    target_id: object,
    target_label: str,
    old: Values | None = None,
    new: Values | None = None,
    data: Values | None = None,
) -> None:
    """Record an action in the caller's transaction: both are kept or neither is.

    Tenant, actor and correlation id come from the scope.

    Raises:
        UnknownAction: `action` was never registered.
    """
    tenant, actor = scope.current(), scope.current_actor()
    AuditEntry.objects.create(
        tenant_id=tenant.id if tenant else None,
        actor_id=actor.id,
        actor_kind=actor.kind.value,
        actor_label=actor.label[:254],
        action=require_action(action),
        target_type=target_type,
        target_id=str(target_id),
        target_label=target_label[:254],
        old=old,
        new=new,
        data=data,
        correlation_id=scope.correlation_id(),
    )


def record_best_effort(
    *,
    action: str,
    target_type: str,
    target_id: object,
    target_label: str,
    data: Values | None = None,
) -> None:
    """Record what happens outside any transaction, such as refusals and logins.

    A database that cannot take the entry must not break a login: the failure is logged instead.
    """
    require_action(action)
    try:
        with transaction.atomic():
            record(
                action=action,
                target_type=target_type,
                target_id=target_id,
                target_label=target_label,
                data=data,
            )
    except DatabaseError:
        logger.exception("audit.record_failed", action=action, target_id=str(target_id))
