"""The sweep: what is over expires, what faded is archived, what is kept too long is erased."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from apps.audit import services as audit
from apps.core import scope
from apps.core.clock import now
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory import metrics
from apps.memory.contracts import (
    ChangesetKind,
    MemoryStatus,
    Namespace,
    PolicyView,
    Retirement,
)
from apps.memory.domain.decay import FADED
from apps.memory.models import Evidence, Memory, Subject, Utterance
from apps.memory.selectors import current_policy
from apps.memory.services.changesets import apply_changeset
from apps.memory.services.consolidation import give_back_abandoned
from apps.memory.services.erasing import erase_memories
from apps.memory.services.quotas import PRESSURE
from apps.memory.services.said import erase_said
from apps.memory.services.strength import STAYS, strength_now
from apps.memory.services.subjects import locked_subject
from apps.memory.services.vector_indexes import enqueue_vector_indexes, is_crowded
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

SWEEP_TASK = "memory.sweep"
SHORT_TERM_DAYS = 3
CROWDED = 0.95  # of a quota: from here on the weakest are archived, down to `PRESSURE`
_BATCH = 200
_RESERVE_S = 15.0  # seconds before the deadline of the task after which nothing is begun


def sweep_workspaces() -> None:
    """Have every workspace swept, each in a task of its own."""
    for ref in tenants.list_refs():
        with scope.tenant_scope(ref), transaction.atomic():
            jobs.enqueue_on_commit(SWEEP_TASK)


def sweep_memories() -> dict[str, int]:
    """Sweep the workspace in scope; what time does not suffice for is left to the next sweep.

    Returns:
        How many were dealt with, by the reason.
    """
    policy, moment = current_policy(), now()
    done = {"abandoned": give_back_abandoned()}
    done["expired"] = _retire(Q(expires_at__lte=moment), MemoryStatus.EXPIRED, "expired", policy)
    short = Q(
        namespace=Namespace.SHORT_TERM,
        use_count=0,
        created_at__lt=moment - timedelta(days=SHORT_TERM_DAYS),
    )
    done["short_term"] = _retire(~STAYS & short, MemoryStatus.ARCHIVED, "short_term", policy)
    faded = Q(strength__lt=FADED)
    done["decay"] = _retire(~STAYS & faded, MemoryStatus.ARCHIVED, "decay", policy)
    done["quota"] = _keep_quotas(policy)
    done["retention"] = _keep_retention(policy, moment)
    done["said_retention"] = _keep_said_retention(policy, moment)
    if is_crowded():
        enqueue_vector_indexes()
    if any(done.values()):
        logger.info("memory.swept", **done)
    return done


def _active(policy: PolicyView) -> QuerySet[Memory]:
    """Return what may be retired: what a consolidation holds is left to it."""
    return (
        Memory.objects.filter(status=MemoryStatus.ACTIVE)
        .annotate(strength=strength_now(policy))
        .order_by("strength", "pk")
    )


def _retire(which: Q, status: MemoryStatus, reason: str, policy: PolicyView) -> int:
    subjects = (
        _active(policy).filter(which).order_by("subject_id").values_list("subject_id", flat=True)
    )
    return sum(
        _retire_of(subject_id, which, status, reason, policy)
        for subject_id in list(subjects.distinct())
    )


def _retire_of(
    subject_id: UUID,
    which: Q,
    status: MemoryStatus,
    reason: str,
    policy: PolicyView,
    most: int | None = None,
) -> int:
    """Retire memories of one subject, the weakest first; asked again under the lock."""
    retired = 0
    while remaining_s() > _RESERVE_S:
        room = _BATCH if most is None else min(_BATCH, most - retired)
        with transaction.atomic():
            locked_subject(subject_id)
            chosen = _active(policy).filter(which, subject_id=subject_id)
            ids = list(chosen.values_list("pk", flat=True)[:room])
            if ids:
                apply_changeset(
                    subject_id=subject_id,
                    kind=ChangesetKind.LIFE,
                    retirements=[
                        Retirement(memory_id=pk, status=status, reason=reason) for pk in ids
                    ],
                    note=reason,
                )
        retired += len(ids)
        if len(ids) < _BATCH:
            break
    return retired


def _keep_quotas(policy: PolicyView) -> int:
    """Archive the weakest where it gets crowded, so that there is always room for something new."""
    retired = 0
    crowded = Subject.objects.filter(memory_count__gt=policy.per_subject_max * CROWDED)
    for subject_id, count in crowded.order_by("pk").values_list("pk", "memory_count"):
        excess = count - int(policy.per_subject_max * PRESSURE)
        retired += _retire_of(
            subject_id, ~STAYS, MemoryStatus.ARCHIVED, "quota", policy, most=excess
        )
    total = Subject.objects.aggregate(total=Sum("memory_count"))["total"] or 0
    if total <= policy.per_workspace_max * CROWDED:
        return retired
    excess = total - int(policy.per_workspace_max * PRESSURE)
    weakest = _active(policy).filter(~STAYS).values_list("subject_id", "pk")[:excess]
    by_subject: dict[UUID, list[UUID]] = {}
    for subject_id, pk in weakest:
        by_subject.setdefault(subject_id, []).append(pk)
    for subject_id, ids in sorted(by_subject.items()):
        which = ~STAYS & Q(pk__in=ids)
        retired += _retire_of(subject_id, which, MemoryStatus.ARCHIVED, "quota", policy)
    return retired


def _keep_retention(policy: PolicyView, moment: datetime) -> int:
    if policy.retention_days is None:
        return 0
    rows = Memory.objects.filter(
        created_at__lt=moment - timedelta(days=policy.retention_days), pinned_at__isnull=True
    ).exclude(namespace=Namespace.PERSISTENT)
    erased = 0
    for subject_id in list(
        rows.order_by("subject_id").values_list("subject_id", flat=True).distinct()
    ):
        mine = rows.filter(subject_id=subject_id).exclude(status=MemoryStatus.CONSOLIDATING)
        while remaining_s() > _RESERVE_S:
            with transaction.atomic():
                subject = locked_subject(subject_id)
                ids = list(mine.order_by("pk").values_list("pk", flat=True)[:_BATCH])
                if not ids:
                    break
                erased += erase_memories(subject, ids, reason="retention").memories
                _record_retention(subject, {"memories": len(ids)})
    return erased


def _keep_said_retention(policy: PolicyView, moment: datetime) -> int:
    if policy.said_retention_days is None:
        return 0
    rows = Utterance.objects.filter(
        said_at__lt=moment - timedelta(days=policy.said_retention_days)
    ).order_by("subject_id")
    erased = 0
    for subject_id in list(rows.values_list("subject_id", flat=True).distinct()):
        while remaining_s() > _RESERVE_S:
            with transaction.atomic():
                subject = locked_subject(subject_id)
                ids = list(rows.filter(subject=subject_id).values_list("pk", flat=True)[:_BATCH])
                if not ids:
                    break
                Evidence.objects.filter(message_id__in=ids).delete()
                erased += erase_said(subject, ids)
                metrics.erased_total.labels("said", "retention").inc(len(ids))
                _record_retention(subject, {"said": len(ids)})
    return erased


def _record_retention(subject: Subject, counts: dict[str, int]) -> None:
    audit.record(
        action="memory.forgotten",
        target_type="memory_subject",
        target_id=subject.pk,
        target_label=str(subject.pk),
        data={"what": "retention", **counts},
    )
