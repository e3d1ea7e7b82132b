"""What comes back when the memory that superseded it is forgotten with its message.

Had the message never been written, the older fact would hold still. So it is believed again, or, if
something else says what holds since, it points at that instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from apps.audit import services as audit
from apps.core.clock import now
from apps.jobs import services as jobs
from apps.memory import metrics
from apps.memory.models import Memory, Subject
from apps.memory.models.memories import LIVE
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.indexing import index_memory
from apps.memory.services.quotas import has_room
from apps.memory.services.superseding import not_before, revived_values, rivals_of
from apps.memory.services.versions import keep_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A memory whose successor is going.

    Attributes:
        values: What it is when it is believed again.
        heir: What superseded its successor, and stays.
        said_at: When it was said last.
    """

    memory_id: UUID
    values: dict[str, object]
    heir: UUID | None
    said_at: datetime


def waiting_behind(subject: Subject, gone: Iterable[UUID]) -> list[Waiting]:
    """Return what memories that are to be erased superseded; ask it before they are.

    Args:
        subject: Whose they are, locked.
        gone: All that will be erased.
    """
    erased = set(gone)
    rows = (
        Memory.objects.filter(subject_id=subject.pk, superseded_by__in=erased)
        .exclude(pk__in=erased)
        .annotate(last_said_at=Max("evidence__said_at"))
        .defer("embedding", "words")
    )
    successors = dict(Memory.objects.filter(pk__in=erased).values_list("pk", "superseded_by_id"))
    return [
        Waiting(
            memory_id=row.pk,
            values=revived_values(row),
            heir=_heir(row.superseded_by_id, successors),
            said_at=row.last_said_at or row.created_at,
        )
        for row in rows
    ]


def _heir(by: UUID | None, successors: Mapping[UUID, UUID | None]) -> UUID | None:
    while by is not None and by in successors:
        by = successors[by]
    return by


def bring_back(subject: Subject, several: Sequence[Waiting]) -> int:
    """Have memories be believed again whose successor was erased, one of each slot.

    Args:
        subject: Whose they are, locked.
        several: What `waiting_behind` found.

    Returns:
        How many are.
    """
    brought = 0
    held: dict[str, Memory] = {}
    for each in sorted(several, key=lambda one: (one.said_at, one.memory_id), reverse=True):
        rows = Memory.objects.select_for_update(no_key=True).defer("embedding", "words")
        memory = rows.get(pk=each.memory_id)
        holds = (
            (Memory.objects.filter(pk=each.heir).first() if each.heir else None)
            or (held.get(memory.slot) if memory.slot else None)
            or _says_it_now(memory, each)
        )
        if holds is not None:
            _point_at(memory, holds)
        elif each.values["expires_at"] == memory.expires_at and has_room(subject):
            _believe(subject, memory, each)
            held[memory.slot] = memory
            brought += 1
    return brought


def _says_it_now(memory: Memory, waiting: Waiting) -> Memory | None:
    """Return the live memory that says the same, or what the slot holds."""
    twin = Memory.objects.filter(
        LIVE, subject_id=memory.subject_id, content_hash=memory.content_hash
    ).first()
    if twin is not None or waiting.values["valid_to"] is not None:
        return twin
    return next(iter(rivals_of(memory, is_current=True)), None)


def _point_at(memory: Memory, holds: Memory) -> None:
    keep_version(memory, ("superseded_by_id", "valid_to"), reason="superseded")
    memory.superseded_by = holds
    memory.valid_to = not_before(holds.valid_from or memory.valid_to or now(), memory)
    memory.updated_at = now()
    memory.save(update_fields=["superseded_by", "valid_to", "updated_at"])


def _believe(subject: Subject, memory: Memory, waiting: Waiting) -> None:
    keep_version(memory, waiting.values, reason="restored")
    for name, value in waiting.values.items():
        setattr(memory, name, value)
    index_memory(subject, memory)
    memory.updated_at = now()
    moved = {name.removesuffix("_id") for name in waiting.values}
    memory.save(update_fields=sorted({*moved, "place", "words_count", "updated_at"}))
    jobs.enqueue_on_commit(EMBED_TASK)
    audit.record(
        action="memory.restored",
        target_type="memory",
        target_id=memory.pk,
        target_label=str(memory.pk),
        data={"with": "the message of what superseded it"},
    )
    metrics.memory_writes_total.labels("restore").inc()
