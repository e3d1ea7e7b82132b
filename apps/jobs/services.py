"""Enqueuing, leases and dead letters."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import redis
from celery import current_app
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from apps.audit import services as audit
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import ServiceUnavailable
from apps.core.keys import platform_key
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, redis_client
from apps.jobs import metrics
from apps.jobs.errors import AlreadyReplayed, DeadLetterNotFound
from apps.jobs.models import DeadLetter, OutboxEntry
from apps.jobs.registry import UnknownTask, find_task, gathering_tasks, require_task

logger = get_logger(__name__)

_SENT_AT = "karen_sent_at"
_HEARTBEAT_TTL_S = 120
_RELAY_AFTER_S = 2.0
_RELAY_BATCH = 1_000
_GATHERED_MAX = 200  # in one message, so that one task stays short


def enqueue_on_commit(task: str, /, *, queue: str | None = None, **kwargs: object) -> None:
    """Have `task` run if the caller's transaction commits, and only then.

    The entry is a row of the same transaction; it is handed to the broker right after the commit,
    or by the relay within seconds if this process dies or the broker is away. What a task gathers
    is always handed over by the relay. A task may be delivered twice and never lost.

    Args:
        task: Name under which it is declared.
        queue: Another queue than the declared one.
        **kwargs: JSON values and UUIDs passed to the task.

    Raises:
        NoTenantInScope: The task needs a tenant and none is in scope.
    """
    spec = find_task(task)
    tenant = scope.require() if spec is not None and spec.tenant else scope.current()
    entry = OutboxEntry(
        tenant_id=tenant.id if tenant and (spec is None or spec.tenant) else None,
        task=task,
        queue=queue or require_task(task).queue,
        kwargs={name: _plain(value) for name, value in kwargs.items()},
        correlation_id=scope.correlation_id(),
    )
    entry.save(force_insert=True)
    if spec is None or not spec.gathers:
        transaction.on_commit(lambda: _publish_now(entry))


def _plain(value: object) -> object:
    """Return a value as JSON knows it."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def enqueue_now(task: str, /, **kwargs: object) -> None:
    """Hand `task` to the broker at once, outside any transaction.

    Only for work that somebody is waiting for and that is worthless without them: nothing is kept
    for the relay, and a broker that loses the message loses the work. Blocking.

    Args:
        task: Name under which it is declared.
        **kwargs: JSON values and UUIDs passed to the task.

    Raises:
        NoTenantInScope: The task needs a tenant and none is in scope.
        ServiceUnavailable: The broker is away.
    """
    spec = require_task(task)
    entry = OutboxEntry(  # never stored: it only has the fields that publishing reads
        tenant_id=scope.require().id if spec.tenant else None,
        task=task,
        queue=spec.queue,
        kwargs={name: _plain(value) for name, value in kwargs.items()},
        correlation_id=scope.correlation_id(),
    )
    try:
        _publish(entry)
    except OperationalError as error:
        raise ServiceUnavailable from error


def _publish_now(entry: OutboxEntry) -> None:
    try:
        _publish(entry)
    except OperationalError:  # kombu's: the broker is away; the relay takes over
        logger.warning("outbox.broker_unavailable", task=entry.task)
        return
    # `delete()` would read the row first, in a transaction of its own.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM public.jobs_outboxentry WHERE id = %s", [entry.pk])
    metrics.published_total.labels("direct").inc()


def _publish(entry: OutboxEntry) -> None:
    spec = require_task(entry.task)
    headers = {"karen_correlation_id": entry.correlation_id, _SENT_AT: now().timestamp()}
    if entry.tenant_id is not None:
        headers["karen_tenant"] = str(entry.tenant_id)
    current_app.send_task(
        entry.task,
        kwargs=entry.kwargs,
        queue=entry.queue,
        headers=headers,
        expires=spec.expires_s,
        ignore_result=True,
        retry=False,
    )


def relay_outbox() -> int:
    """Publish entries whose process did not, and what tasks gather; called by the relay process.

    Returns:
        How many entries were published.
    """
    published = 0
    with transaction.atomic():
        left_behind = Q(created_at__lt=Now() - timedelta(seconds=_RELAY_AFTER_S))
        waiting: Sequence[OutboxEntry] = list(
            OutboxEntry.objects.select_for_update(skip_locked=True).filter(
                left_behind | Q(task__in=gathering_tasks())
            )[:_RELAY_BATCH]
        )
        metrics.outbox_backlog.set(len(waiting))
        for group in _gathered(waiting):
            try:
                _publish(group[0])
            except OperationalError:
                logger.warning("outbox.broker_unavailable", waiting=len(waiting) - published)
                break
            except UnknownTask:  # enqueued by another release; kept where an operator sees it
                for entry in group:
                    bury(
                        task=entry.task,
                        queue=entry.queue,
                        kwargs=entry.kwargs,
                        tenant=str(entry.tenant_id or ""),
                        reason="unknown_task",
                        error="",
                    )
            else:
                published += len(group)
                metrics.published_total.labels("relay").inc(len(group))
            OutboxEntry.objects.filter(pk__in=[entry.pk for entry in group]).delete()
    return published


def _gathered(entries: Iterable[OutboxEntry]) -> list[list[OutboxEntry]]:
    """Return entries in groups of one message each, oldest first; the first entry is the message.

    What is gathered for one tenant is joined in the order it was enqueued, nothing twice.
    """
    groups: list[list[OutboxEntry]] = []
    open_groups: dict[tuple[UUID | None, str, str], list[OutboxEntry]] = {}
    for entry in entries:
        spec = find_task(entry.task)
        if spec is None or not spec.gathers:
            groups.append([entry])
            continue
        key = (entry.tenant_id, entry.task, entry.queue)
        group = open_groups.get(key)
        if group is None or len(group[0].kwargs[spec.gathers]) >= _GATHERED_MAX:
            open_groups[key] = group = [entry]
            groups.append(group)
            continue
        group.append(entry)
        joined = [*group[0].kwargs[spec.gathers], *entry.kwargs[spec.gathers]]
        group[0].kwargs = {spec.gathers: list(dict.fromkeys(joined))}
    return groups


def oldest_message_age_s(queue: str) -> float:
    """Return for how many seconds the oldest message of a queue has waited for a worker.

    Workers take the oldest first, so whatever was sent earlier has been taken, or is lost. 0 where
    no message waits or the broker is away.
    """
    try:
        oldest = redis_client(RedisRole.BROKER).lindex(queue, -1)
    except redis.RedisError:
        return 0.0
    if oldest is None:
        return 0.0
    sent_at = json.loads(oldest).get("headers", {}).get(_SENT_AT)
    return max(now().timestamp() - sent_at, 0.0) if isinstance(sent_at, float) else 0.0


def hold_lease(*, kind: str, key: UUID, owner: str, ttl_s: float) -> None:
    """Start or take over the timer of one piece of work of the tenant in scope.

    The work's own fencing decides who may hold it; call this in the same transaction.
    """
    tenant = scope.current()
    with connection.cursor() as cursor:  # by the database's clock
        cursor.execute(
            "INSERT INTO public.jobs_lease (kind, key, tenant_id, owner, until)"
            " VALUES (%s, %s, %s, %s, statement_timestamp() + make_interval(secs => %s))"
            " ON CONFLICT (kind, tenant_id, key)"
            " DO UPDATE SET owner = excluded.owner, until = excluded.until",
            [kind, key, tenant.id if tenant else None, owner, ttl_s],
        )


def release_lease(*, kind: str, key: UUID, owner: str | None = None) -> None:
    """Stop the timer of a piece of work that ended; only if `owner` still holds it, when given."""
    tenant = scope.current()
    with connection.cursor() as cursor:  # as above: one statement instead of four
        cursor.execute(
            "DELETE FROM public.jobs_lease WHERE kind = %s AND key = %s"
            " AND tenant_id IS NOT DISTINCT FROM %s AND (%s::text IS NULL OR owner = %s)",
            [kind, key, tenant.id if tenant else None, owner, owner],
        )


def renew_leases(*, owners: Sequence[str], ttl_s: float) -> frozenset[str]:
    """Extend the leases of `owners` (unique names of running work) by `ttl_s` seconds from now.

    Returns:
        The owners that still held theirs; the others were taken over and must stop.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE public.jobs_lease SET until = now() + make_interval(secs => %s)"
            " WHERE owner = ANY(%s) RETURNING owner",
            [ttl_s, list(owners)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def bury(
    *,
    task: str,
    queue: str,
    kwargs: Mapping[str, object],
    tenant: str | None,
    reason: str,
    error: str,
) -> None:
    """Keep a task that could not be run as a dead letter of the platform."""
    try:
        tenant_id = UUID(tenant) if tenant else None
    except ValueError:
        tenant_id = None
    with scope.tenant_scope(None):
        DeadLetter.objects.create(
            tenant_id=tenant_id,
            task=task,
            queue=queue[:32],
            kwargs=dict(kwargs),
            correlation_id=scope.correlation_id(),
            reason=reason[:64],
            error=error[:2000],
        )
    metrics.dead_letters_total.labels(task, reason).inc()


@transaction.atomic
def replay_dead_letter(*, dead_letter_id: UUID) -> None:
    """Enqueue a dead letter's task once more, with its own tenant.

    Raises:
        DeadLetterNotFound: There is none with this id.
        AlreadyReplayed: It was replayed before.
    """
    letter = DeadLetter.objects.select_for_update().filter(pk=dead_letter_id).first()
    if letter is None:
        raise DeadLetterNotFound
    if letter.replayed_at is not None:
        raise AlreadyReplayed
    DeadLetter.objects.filter(pk=letter.pk).update(replayed_at=now())
    entry = OutboxEntry(
        tenant_id=letter.tenant_id,
        task=letter.task,
        queue=letter.queue,
        kwargs=letter.kwargs,
        correlation_id=letter.correlation_id,
    )
    entry.save(force_insert=True)
    audit.record(
        action="jobs.dead_letter_replayed",
        target_type="dead_letter",
        target_id=letter.pk,
        target_label=letter.task,
    )
    transaction.on_commit(lambda: _publish_now(entry))


def beat_heartbeat(*, queue: str) -> None:
    """Note that a worker of `queue` runs tasks; written by the canary task itself."""
    redis_client(RedisRole.STREAMS).set(
        platform_key("heartbeat", queue), now().timestamp(), ex=_HEARTBEAT_TTL_S
    )
