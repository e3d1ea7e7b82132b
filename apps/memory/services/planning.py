"""What a consolidation of a subject's memories would do; reads, and changes nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np

from apps.core.clock import now
from apps.memory.contracts import (
    ChangesetKind,
    ChangesetState,
    MemoryKind,
    MemoryOrigin,
    MemoryStatus,
)
from apps.memory.domain.decay import WEAK
from apps.memory.domain.digests import GROUP_MAX, GROUP_MIN, Candidate, same_sayings
from apps.memory.models import ChangesetEntry, Memory, Mention
from apps.memory.selectors import current_policy
from apps.memory.services.strength import STAYS, strength_now

OLD_DAYS = 30  # what happened later than this is not told in short yet
COMPARED_MAX = 20_000  # the newest memories of a subject
_ALIKE_KINDS = (MemoryKind.SEMANTIC.value, MemoryKind.EPISODIC.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Memories that become one.

    Attributes:
        source_ids: What is superseded, in the order of time.
        stays: The memory that says it from now on; None where one is made that tells them.
        about: Whom or what they are all about; empty for a month.
    """

    source_ids: tuple[UUID, ...]
    stays: UUID | None = None
    about: str = ""

    @property
    def ids(self) -> tuple[UUID, ...]:
        """Everything it touches."""
        return self.source_ids if self.stays is None else (self.stays, *self.source_ids)


def plan_consolidation(subject_id: UUID) -> list[Group]:
    """Return the groups to be made one, each memory in one of them at most."""
    undone = _undone(subject_id)
    same = [
        Group(source_ids=sources, stays=stays)
        for stays, sources in _same(subject_id)
        if not undone.intersection(sources)
    ]
    taken = {pk for group in same for pk in group.ids} | undone
    return same + _told_in_short(subject_id, taken)


def _undone(subject_id: UUID) -> set[UUID]:
    """Return what somebody took out of a consolidation: it is not consolidated again."""
    entries = ChangesetEntry.objects.filter(
        changeset__subject=subject_id,
        changeset__kind=ChangesetKind.CONSOLIDATION,
        changeset__state=ChangesetState.UNDONE,
    )
    return set(entries.values_list("memory_id", flat=True))


def _same(subject_id: UUID) -> list[tuple[UUID, tuple[UUID, ...]]]:
    rows = list(
        Memory.objects.filter(
            subject_id=subject_id,
            status=MemoryStatus.ACTIVE,
            kind__in=_ALIKE_KINDS,
            embedding__isnull=False,
        )
        .order_by("-pk")
        .defer("words")[:COMPARED_MAX]
    )
    if len(rows) < 2:
        return []
    names = _mentioned([row.pk for row in rows])
    candidates = [_candidate(row, names.get(row.pk, ())) for row in rows]
    vectors = np.array([row.embedding for row in rows], dtype=np.float32)
    return same_sayings(candidates, vectors)


def _candidate(row: Memory, entities: Sequence[UUID]) -> Candidate:
    happened = row.kind == MemoryKind.EPISODIC and row.valid_from is not None
    about: tuple[object, ...] = ("slot", row.slot) if row.slot else ("entities", *entities)
    stays = row.pinned_at is not None or row.namespace == "persistent" or row.priority == 5
    return Candidate(
        id=row.pk,
        text=row.text,
        rank=(
            stays,
            row.origin == MemoryOrigin.PERSON,
            row.importance * row.confidence,
            row.proof_count,
            row.use_count,
            row.created_at,
        ),
        # The same on two days happened twice.
        bucket=(
            row.embedding_model,
            row.valid_from.date() if happened and row.valid_from else None,
            *about,
        ),
        value=row.value,
        stays=stays,
    )


def _mentioned(memory_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, ...]]:
    found: dict[UUID, list[UUID]] = {}
    rows = Mention.objects.filter(memory__in=memory_ids).order_by("entity_id")
    for memory_id, entity_id in rows.values_list("memory_id", "entity_id"):
        found.setdefault(memory_id, []).append(entity_id)
    return {memory_id: tuple(several) for memory_id, several in found.items()}


def _told_in_short(subject_id: UUID, taken: set[UUID]) -> list[Group]:
    rows = [
        row
        for row in Memory.objects.filter(
            ~STAYS,
            subject_id=subject_id,
            status=MemoryStatus.ACTIVE,
            kind=MemoryKind.EPISODIC,
            created_at__lt=now() - timedelta(days=OLD_DAYS),
        )
        .exclude(origin=MemoryOrigin.CONSOLIDATED)
        .annotate(strength=strength_now(current_policy()))
        .filter(strength__lt=WEAK)
        .defer("embedding", "words")
        if row.pk not in taken
    ]
    rows.sort(key=lambda row: (row.valid_from or row.created_at, row.pk))
    by_topic: dict[tuple[str, str], list[UUID]] = {}
    main = _main_entities([row.pk for row in rows])
    for row in rows:
        month = f"{row.valid_from or row.created_at:%Y-%m}"
        topic = ("about", main[row.pk]) if row.pk in main else ("month", month)
        by_topic.setdefault(topic, []).append(row.pk)
    return [
        Group(source_ids=tuple(ids[at : at + GROUP_MAX]), about=name if what == "about" else "")
        for (what, name), ids in by_topic.items()
        for at in range(0, len(ids), GROUP_MAX)
        if len(ids) - at >= GROUP_MIN
    ]


def _main_entities(memory_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return for each memory the name that most of them mention, if enough do."""
    rows = list(
        Mention.objects.filter(memory__in=memory_ids)
        .order_by("entity__key")
        .values_list("memory_id", "entity__name")
    )
    often = Counter(name for _memory, name in rows)
    main: dict[UUID, str] = {}
    for memory_id, name in rows:
        if often[name] >= GROUP_MIN and often[name] > often[main.get(memory_id, "")]:
            main[memory_id] = name
    return main
