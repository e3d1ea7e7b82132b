"""Consolidation: what says the same becomes one memory, and old faded episodes are told in short.

No model is needed; where one is able, it writes the short account, and if what it writes is not
what was asked for, the list of the episodes takes its place. A running consolidation holds its
memories by their status, `consolidating`, and by a lease: when its process dies, the reaper or the
sweep gives them back. Each group is one changeset, so a death in between leaves whole groups only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from apps.core import scope
from apps.core.logging import get_logger
from apps.jobs import selectors as jobs_selectors, services as jobs
from apps.jobs.leases import LEASE_TTL_S, kept_alive, new_owner
from apps.jobs.task import remaining_s
from apps.memory import metrics
from apps.memory.contracts import (
    ChangesetKind,
    ChangesetView,
    MemoryKind,
    MemoryStatus,
    Merge,
    NewMemory,
)
from apps.memory.domain.digests import digest
from apps.memory.errors import ChangesetOutdated, MemoryExists, MemoryHoldsSecret
from apps.memory.models import Memory, Subject
from apps.memory.selectors import CONSOLIDATION_LEASE
from apps.memory.services.changesets import apply_changeset
from apps.memory.services.planning import Group, plan_consolidation
from apps.memory.services.quotas import CONSOLIDATE_TASK
from apps.memory.services.subjects import locked_subject
from apps.memory.summarising import summary_of
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

LEASE = CONSOLIDATION_LEASE
_RESERVE_S = 30.0  # seconds before the deadline of a task after which no subject is begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidated:
    """What a consolidation did.

    Attributes:
        merged: Memories whose like stayed.
        told: Memories that are told in short now.
        made: Memories that tell them.
    """

    merged: int = 0
    told: int = 0
    made: int = 0


def consolidate_workspaces() -> None:
    """Have every workspace consolidated, each in a task of its own."""
    for ref in tenants.list_refs():
        with scope.tenant_scope(ref), transaction.atomic():
            jobs.enqueue_on_commit(CONSOLIDATE_TASK)


def consolidate_workspace(*, after: UUID | None = None) -> None:
    """Consolidate the subjects of the workspace in scope, in the order of their ids.

    Stops before the task's deadline; the rest is enqueued.

    Args:
        after: Begin behind this subject.
    """
    subjects = Subject.objects.filter(memory_count__gt=1).order_by("pk")
    if after is not None:
        subjects = subjects.filter(pk__gt=after)
    last = after
    for subject_id in subjects.values_list("pk", flat=True):
        if remaining_s() < _RESERVE_S:
            with transaction.atomic():
                jobs.enqueue_on_commit(CONSOLIDATE_TASK, after=str(last) if last else "")
            return
        consolidate(subject_id=subject_id)
        last = subject_id


def consolidate(*, subject_id: UUID) -> Consolidated:
    """Consolidate the memories of one subject; harmless when it runs twice, also at once."""
    groups = plan_consolidation(subject_id)
    if not groups:
        return Consolidated()
    owner = new_owner()
    with kept_alive(owner):
        held = _claim(subject_id, groups, owner)
        try:
            done = [_consolidate_group(subject_id, group, held) for group in groups if held]
        finally:
            _let_go(subject_id, owner, held)
    metrics.consolidations_total.labels("done" if held else "busy").inc()
    counted = [group for group, view in zip(groups, done, strict=False) if view]
    return Consolidated(
        merged=sum(len(group.source_ids) for group in counted if group.stays),
        told=sum(len(group.source_ids) for group in counted if not group.stays),
        made=sum(1 for group in counted if not group.stays),
    )


def preview_consolidation(*, subject_id: UUID) -> tuple[ChangesetView, ...]:
    """Return what consolidation would change, without a model; nothing is changed."""
    with transaction.atomic():
        locked_subject(subject_id)
        views = []
        for group in plan_consolidation(subject_id):
            rows = list(Memory.objects.filter(pk__in=group.ids).defer("embedding", "words"))
            view = apply_changeset(
                subject_id=subject_id,
                kind=ChangesetKind.CONSOLIDATION,
                merges=[_merge(group, _in_order(group, rows), "")],
                dry_run=True,
            )
            views.append(view)
    return tuple(views)


@transaction.atomic
def _claim(subject_id: UUID, groups: Sequence[Group], owner: str) -> dict[UUID, str]:
    """Hold the memories; return the hashes of what is held, nothing where another run holds any."""
    locked_subject(subject_id)
    mine = Memory.objects.filter(subject_id=subject_id)
    if mine.filter(status=MemoryStatus.CONSOLIDATING).exists():
        return {}
    wanted = [pk for group in groups for pk in group.ids]
    free = mine.filter(pk__in=wanted, status=MemoryStatus.ACTIVE)
    held = dict(free.values_list("pk", "content_hash"))
    free.update(status=MemoryStatus.CONSOLIDATING)
    jobs.hold_lease(kind=LEASE, key=subject_id, owner=owner, ttl_s=LEASE_TTL_S)
    return held


@transaction.atomic
def _let_go(subject_id: UUID, owner: str, held: dict[UUID, str]) -> None:
    if held:
        locked_subject(subject_id)
        _give_back(subject_id, list(held))
        jobs.release_lease(kind=LEASE, key=subject_id, owner=owner)


def _give_back(subject_id: UUID, memory_ids: Sequence[UUID] | None = None) -> int:
    rows = Memory.objects.filter(subject_id=subject_id, status=MemoryStatus.CONSOLIDATING)
    if memory_ids is not None:
        rows = rows.filter(pk__in=memory_ids)
    return rows.update(status=MemoryStatus.ACTIVE)


@transaction.atomic
def recover_consolidation(subject_id: UUID) -> None:
    """Give back what a consolidation held whose process died; called when its lease ran out."""
    locked_subject(subject_id)
    logger.warning("memory.consolidation_died", memories=_give_back(subject_id))
    metrics.consolidations_total.labels("died").inc()


def give_back_abandoned() -> int:
    """Give back what nobody holds a lease of; return how many subjects' memories that were."""
    held = Memory.objects.filter(status=MemoryStatus.CONSOLIDATING).order_by()
    subjects = set(held.values_list("subject_id", flat=True).distinct())
    # Asked after the memories: whoever claims takes the lease in the same transaction.
    abandoned = subjects - jobs_selectors.leased_keys(LEASE)
    for subject_id in sorted(abandoned):
        recover_consolidation(subject_id)
    return len(abandoned)


def _consolidate_group(
    subject_id: UUID, group: Group, held: dict[UUID, str]
) -> ChangesetView | None:
    summary = "" if group.stays else _summary(subject_id, group, held)
    try:
        return _apply(subject_id, group, held, summary)
    except (ChangesetOutdated, MemoryExists) as error:
        logger.info("memory.group_left_out", reason=error.code)
    except MemoryHoldsSecret as error:  # learnt before secrets were refused
        logger.warning("memory.group_left_out", reason=error.code)
    return None


def _summary(subject_id: UUID, group: Group, held: dict[UUID, str]) -> str:
    rows = _held_rows(subject_id, group, held)
    if rows is None:
        return ""
    when = [row.valid_from or row.created_at for row in rows]
    period = f"{min(when):%B %Y} to {max(when):%B %Y} {group.about}".strip()
    return summary_of(subject_id=subject_id, texts=[row.text for row in rows], period=period)


@transaction.atomic
def _apply(
    subject_id: UUID, group: Group, held: dict[UUID, str], summary: str
) -> ChangesetView | None:
    locked_subject(subject_id)
    rows = _held_rows(subject_id, group, held)
    if rows is None:  # changed, archived or forgotten meanwhile
        return None
    view = apply_changeset(
        subject_id=subject_id,
        kind=ChangesetKind.CONSOLIDATION,
        merges=[_merge(group, rows, summary)],
        note="said the same" if group.stays else "told in short",
    )
    how = "merged" if group.stays else "summarised" if summary else "listed"
    metrics.consolidated_total.labels(how).inc(len(group.source_ids))
    return view


def _held_rows(subject_id: UUID, group: Group, held: dict[UUID, str]) -> list[Memory] | None:
    """Return the sources as they were claimed, in order; None where anything changed since."""
    found = Memory.objects.filter(
        subject_id=subject_id, pk__in=group.ids, status=MemoryStatus.CONSOLIDATING
    ).defer("embedding", "words")
    rows = [row for row in found if held.get(row.pk) == row.content_hash]
    return _in_order(group, rows) if len(rows) == len(group.ids) else None


def _in_order(group: Group, rows: Sequence[Memory]) -> list[Memory]:
    by_id = {row.pk: row for row in rows}
    return [by_id[pk] for pk in group.source_ids]


def _merge(group: Group, sources: Sequence[Memory], summary: str) -> Merge:
    if group.stays is not None:
        return Merge(source_ids=group.source_ids, into=group.stays)
    when = [row.valid_from or row.created_at for row in sources]
    made = NewMemory(
        text=summary or digest(when, [row.text for row in sources], group.about),
        kind=MemoryKind.SEMANTIC,
        importance=max(row.importance for row in sources),
        confidence=max(row.confidence for row in sources),
        valid_from=min(when),
    )
    return Merge(source_ids=group.source_ids, into=made)
