"""The end of temporary conversations, in every workspace."""

from django.db import DatabaseError

from apps.conversations.services.conversations import erase_expired
from apps.core import scope
from apps.core.logging import get_logger
from apps.core.metrics import unhandled_total
from apps.jobs.task import remaining_s
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

_BATCH = 100
_RESERVE_S = 10.0


def erase_everywhere() -> int:
    """Erase what has expired in each active workspace; one that fails does not hold up the others.

    Returns:
        How many conversations were erased.
    """
    erased = 0
    for ref in tenants.list_refs():
        if remaining_s() < _RESERVE_S:
            logger.warning("expiry.unfinished", workspace=ref.slug)  # the next run goes on
            break
        with scope.tenant_scope(ref):
            try:
                while (count := erase_expired(limit=_BATCH)) == _BATCH:
                    erased += count
                erased += count
            except DatabaseError:
                unhandled_total.labels("task").inc()
                logger.exception("expiry.failed", workspace=ref.slug)
    return erased
