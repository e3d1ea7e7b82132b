"""Finding work whose worker died, within seconds instead of the broker's visibility timeout."""

from datetime import timedelta

from django.db import OperationalError, transaction
from django.db.models.functions import Now

from apps.core import scope
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.core.metrics import unhandled_total
from apps.jobs import metrics
from apps.jobs.models import Lease
from apps.jobs.registry import lease_handler, resolve_tenant, tenant_exists

logger = get_logger(__name__)

_BATCH = 50
_SUSPENDED_S = 60
_HANDLING_S = 30  # a reaper that dies while handling is made up for after this long


def reap_leases(*, spare_running: bool = False) -> int:
    """Call the handler of each lease that ran out, in its tenant; drop those of nobody.

    Each lease is handled on its own: one that fails is logged, comes back after its handling time,
    and does not hold up the others.

    Args:
        spare_running: Leave those of work that somebody does; what waits is looked after.

    Returns:
        How many were handled.
    """
    ran_out = Lease.objects.filter(until__lt=Now())
    if spare_running:  # the name of who renews a lease has parts (`leases.new_owner`)
        ran_out = ran_out.exclude(owner__contains=":")
    expired = list(ran_out.values_list("pk", flat=True)[:_BATCH])
    return sum(_reap_safely(pk) for pk in expired)


def _reap_safely(pk: int) -> bool:
    try:
        return _reap(pk)
    except OperationalError:  # the database itself is away: the loop waits for it
        raise
    except Exception:  # one lease must not end the process for all others
        unhandled_total.labels("reaper").inc()
        logger.exception("lease.handler_failed", lease=pk)
        return False


def _reap(pk: int) -> bool:
    # Taking the lease is a statement of its own: holding its row while the handler locks the work
    # would deadlock with a worker that locks the work first and its lease second.
    taker = f"reaper:{new_id().hex}"
    taken = Lease.objects.filter(pk=pk, until__lt=Now()).update(
        owner=taker, until=Now() + timedelta(seconds=_HANDLING_S)
    )
    lease = Lease.objects.filter(pk=pk, owner=taker).first() if taken else None
    if lease is None:  # renewed, ended, or in another reaper's hands
        return False
    tenant = resolve_tenant(lease.tenant_id) if lease.tenant_id else None
    if lease.tenant_id and tenant is None and tenant_exists(lease.tenant_id):
        # Suspended: its work waits with it and goes on when the workspace is opened again.
        Lease.objects.filter(pk=pk, owner=taker).update(
            until=Now() + timedelta(seconds=_SUSPENDED_S)
        )
        return False
    handler = lease_handler(lease.kind)
    handled = handler is not None and (tenant is not None or lease.tenant_id is None)
    logger.warning("lease.expired", kind=lease.kind, key=str(lease.key), handled=handled)
    if handler is not None and handled:
        with (
            scope.tenant_scope(tenant),
            scope.actor_scope(scope.SYSTEM),
            scope.correlation_scope(),
            transaction.atomic(),
        ):
            handler(lease.key)
        metrics.leases_reaped_total.labels(lease.kind).inc()
    # A handler that enqueued the work again has taken the lease over under another name.
    Lease.objects.filter(pk=pk, owner=taker).delete()
    return handled
