"""Room for what is learnt: by hand one is told that memory is full, learning has nobody to tell.

So it first archives what is weaker than what it has learnt, as the sweep would at the next hour.
Archived is not gone: it can be restored, and the changeset undone.
"""

from collections.abc import Collection
from uuid import UUID

from apps.memory.contracts import ChangesetKind, MemoryStatus, Retirement
from apps.memory.domain.decay import Trace, strength
from apps.memory.errors import MemoryFull
from apps.memory.models import Memory, Subject
from apps.memory.selectors import current_policy
from apps.memory.services.changesets import apply_changeset
from apps.memory.services.quotas import require_room
from apps.memory.services.strength import STAYS, strength_now

_AT_ONCE = 20  # archived in the transaction of a message; the sweep does the rest


def find_room(subject: Subject, memory: Memory, *, keep: Collection[UUID] = ()) -> bool:
    """Say whether a memory that was learnt finds room, after making some where there is none.

    Args:
        subject: Whose it is, locked; read again where something was archived.
        memory: New, not saved yet.
        keep: What is not archived for it.
    """
    try:
        require_room(subject)
    except MemoryFull as full:
        if not _archive_weaker(subject, memory, full, keep):
            return False
        subject.refresh_from_db()
    return True


def _archive_weaker(
    subject: Subject, memory: Memory, full: MemoryFull, keep: Collection[UUID]
) -> bool:
    # A lowered limit leaves more than one too many.
    excess = subject.memory_count - full.limit + 1 if full.whose == "subject" else 1
    if excess > _AT_ONCE:
        return False
    policy = current_policy()
    weaker = (
        Memory.objects.filter(~STAYS, subject_id=subject.pk, status=MemoryStatus.ACTIVE)
        .exclude(pk__in=list(keep))
        .annotate(strength=strength_now(policy))
        .filter(strength__lt=_strength_of(memory))
        .order_by("strength", "pk")
    )
    ids = list(weaker.values_list("pk", flat=True)[:excess])
    if len(ids) < excess:
        return False
    apply_changeset(
        subject_id=subject.pk,
        kind=ChangesetKind.LIFE,
        retirements=[
            Retirement(memory_id=pk, status=MemoryStatus.ARCHIVED, reason="quota") for pk in ids
        ],
        note="quota",
    )
    return True


def _strength_of(memory: Memory) -> float:
    return strength(
        Trace(
            age_days=0,
            half_life_days=1,
            importance=memory.importance,
            confidence=memory.confidence,
        )
    )
