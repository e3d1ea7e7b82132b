"""Reading the state of background work."""

from uuid import UUID

from django.db.models.functions import Now

from apps.core import scope
from apps.core.clock import now
from apps.core.keys import platform_key
from apps.core.redis import RedisRole, redis_client
from apps.jobs.models import DeadLetter, Lease, OutboxEntry
from apps.jobs.registry import QUEUES


def queue_heartbeats() -> dict[str, float | None]:
    """Return for each queue the seconds since its canary last ran; None if it did not lately."""
    values = redis_client(RedisRole.STREAMS).mget([platform_key("heartbeat", q) for q in QUEUES])
    moment = now().timestamp()
    return {
        queue: max(moment - float(value), 0.0) if value is not None else None
        for queue, value in zip(QUEUES, values, strict=True)
    }


def outbox_backlog() -> int:
    """Return how many tasks wait to be handed to the broker."""
    return OutboxEntry.objects.count()


def open_dead_letters() -> int:
    """Return how many dead letters nobody replayed."""
    return DeadLetter.objects.filter(replayed_at=None).count()


def leased_keys(kind: str) -> frozenset[UUID]:
    """Return the pieces of work of `kind` in the tenant in scope whose lease has not run out."""
    rows = Lease.objects.filter(kind=kind, tenant_id=scope.require().id, until__gte=Now())
    return frozenset(rows.values_list("key", flat=True))
