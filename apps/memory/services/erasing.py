"""Erasing memories for good: with vectors, words, evidence, versions, and what was made of them.

What was merged into a memory said the same, so it goes with it. What was made of a memory follows
its sources: it is told anew from those that are left, and is gone with the last of them.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from apps.memory import metrics
from apps.memory.contracts import Forgotten, MemoryOrigin
from apps.memory.models import ChangesetEntry, Entity, Memory, Subject
from apps.memory.services.derived import DEEP, follow_sources, merges_of
from apps.memory.services.indexing import unindex_memories


def erase_memories(subject: Subject, memory_ids: Iterable[UUID], *, reason: str) -> Forgotten:
    """Erase memories with all that says the same, inside the caller's transaction.

    Args:
        subject: Whose they are, locked; ids of others are passed over.
        memory_ids: Which.
        reason: Why, in a word, for the metric.

    Returns:
        How many memories, and names that nobody mentions any more, are gone.
    """
    ids = closure(subject, memory_ids)
    found = (
        Memory.objects.select_for_update(no_key=True)
        .filter(subject_id=subject.pk, pk__in=ids)
        .defer("embedding", "words")
    )
    rows = list(found)
    if not rows:
        return Forgotten()
    gone = {row.pk for row in rows}
    follow_sources(subject, gone)
    unindex_memories(subject, rows)
    entries = list(ChangesetEntry.objects.filter(changeset__subject=subject, memory_id__in=gone))
    for entry in entries:
        entry.before, entry.after = {}, {}
    ChangesetEntry.objects.bulk_update(entries, ["before", "after"])
    Memory.objects.filter(pk__in=gone).delete()
    metrics.erased_total.labels("memory", reason).inc(len(gone))
    return Forgotten(memories=len(gone), entities=erase_unmentioned(subject))


def erase_unmentioned(subject: Subject) -> int:
    """Erase the names of a subject that no memory mentions any more; return how many."""
    entities = Entity.objects.filter(subject=subject, mentions__isnull=True)
    return entities.delete()[1].get("memory.Entity", 0)


def closure(subject: Subject, memory_ids: Iterable[UUID]) -> set[UUID]:
    """Return the ids, with those of what was merged into them and of what loses its last source."""
    ids = set(memory_ids)
    fresh = set(ids)
    for _round in range(DEEP):
        if not fresh:
            break
        merged = merges_of(subject).filter(after__superseded_by_id__in=[str(pk) for pk in fresh])
        into = Memory.objects.filter(
            subject_id=subject.pk,
            superseded_by__in=fresh,
            pk__in=list(merged.values_list("memory_id", flat=True)),
        )
        # Of what was made of them, also where they were restored since and no longer point at it.
        made = merges_of(subject).filter(memory_id__in=fresh).values_list("after", flat=True)
        of = Memory.objects.filter(
            Q(supersedes__in=fresh) | Q(pk__in=[each.get("superseded_by_id") for each in made]),
            subject_id=subject.pk,
            origin=MemoryOrigin.CONSOLIDATED,
        ).exclude(Exists(Memory.objects.filter(superseded_by=OuterRef("pk")).exclude(pk__in=ids)))
        fresh = {*into.values_list("pk", flat=True), *of.values_list("pk", flat=True)} - ids
        ids |= fresh
    return ids
