"""Erasing memories for good: with vectors, words, evidence, versions, and what was made of them.

What was merged into a memory said the same, so it goes with it. What was made of a memory follows
its sources: it is told anew from those that are left, and is gone with the last of them.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from apps.core.clock import now
from apps.jobs import services as jobs
from apps.memory import metrics
from apps.memory.contracts import ChangesetKind, ChangesetState, Forgotten, MemoryOrigin
from apps.memory.domain.digests import digest
from apps.memory.domain.texts import content_hash
from apps.memory.models import (
    ChangesetEntry,
    Entity,
    Evidence,
    Memory,
    MemoryVersion,
    Mention,
    Subject,
)
from apps.memory.models.changesets import INNER
from apps.memory.models.memories import LIVE
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.indexing import index_memory, unindex_memories

_MERGING = (ChangesetKind.CONSOLIDATION.value, ChangesetKind.MERGE.value)
_DEEP = 100  # a chain of merges is never longer; a circle would be


def erase_memories(subject: Subject, memory_ids: Iterable[UUID], *, reason: str) -> Forgotten:
    """Erase memories with all that says the same, inside the caller's transaction.

    Args:
        subject: Whose they are, locked; ids of others are passed over.
        memory_ids: Which.
        reason: Why, in a word, for the metric.

    Returns:
        How many memories, and names that nobody mentions any more, are gone.
    """
    ids = _closure(subject, memory_ids)
    found = (
        Memory.objects.select_for_update(no_key=True)
        .filter(subject_id=subject.pk, pk__in=ids)
        .defer("embedding", "words")
    )
    rows = list(found)
    if not rows:
        return Forgotten()
    gone = {row.pk for row in rows}
    entries = list(ChangesetEntry.objects.filter(changeset__subject=subject, memory_id__in=gone))
    _follow_sources(subject, entries, gone)
    unindex_memories(subject, rows)
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


def _closure(subject: Subject, memory_ids: Iterable[UUID]) -> set[UUID]:
    """Return the ids, with those of what was merged into them and of what loses its last source."""
    ids = set(memory_ids)
    fresh = set(ids)
    for _round in range(_DEEP):
        if not fresh:
            break
        merged = _merges(subject).filter(after__superseded_by_id__in=[str(pk) for pk in fresh])
        into = Memory.objects.filter(
            subject_id=subject.pk,
            superseded_by__in=fresh,
            pk__in=list(merged.values_list("memory_id", flat=True)),
        )
        of = Memory.objects.filter(
            subject_id=subject.pk, origin=MemoryOrigin.CONSOLIDATED, supersedes__in=fresh
        ).exclude(Exists(Memory.objects.filter(superseded_by=OuterRef("pk")).exclude(pk__in=ids)))
        fresh = {*into.values_list("pk", flat=True), *of.values_list("pk", flat=True)} - ids
        ids |= fresh
    return ids


def _merges(subject: Subject) -> "QuerySet[ChangesetEntry]":
    return ChangesetEntry.objects.filter(
        changeset__subject=subject,
        changeset__kind__in=_MERGING,
        changeset__state=ChangesetState.APPLIED,
    )


def _follow_sources(subject: Subject, entries: Sequence[ChangesetEntry], gone: set[UUID]) -> None:
    """Take what is going out of the memories that were made of it."""
    targets: dict[UUID, list[ChangesetEntry]] = {}
    for entry in entries:
        target = entry.after.get("superseded_by_id")
        if target and UUID(str(target)) not in gone:
            targets.setdefault(UUID(str(target)), []).append(entry)
    if not targets:
        return
    inner = [entry.after.get(INNER, {}) for several in targets.values() for entry in several]
    for model, name in ((Evidence, "evidence"), (Mention, "mentions")):
        copies = [pk for each in inner for pk in each.get(name, ())]
        model._default_manager.filter(pk__in=copies, memory__subject_id=subject.pk).delete()
    made = Memory.objects.select_for_update(no_key=True).filter(
        subject_id=subject.pk, pk__in=list(targets), origin=MemoryOrigin.CONSOLIDATED
    )
    for memory in made.defer("embedding", "words"):
        _tell_anew(subject, memory, gone)


def _tell_anew(subject: Subject, memory: Memory, gone: set[UUID]) -> None:
    left = list(
        Memory.objects.filter(superseded_by=memory)
        .exclude(pk__in=gone)
        .order_by("created_at", "pk")
        .defer("embedding", "words")
    )
    unindex_memories(subject, [memory])
    # What was before said it as well.
    MemoryVersion.objects.filter(memory=memory, before__has_key="text").delete()
    memory.text = digest(
        [each.valid_from or each.created_at for each in left], [each.text for each in left]
    )
    memory.content_hash = content_hash(memory.text)
    memory.proof_count = sum(each.proof_count for each in left)
    memory.source_message_ids = list(
        dict.fromkeys(pk for each in left for pk in each.source_message_ids)
    )
    memory.updated_at = now()
    twin = (
        Memory.objects.filter(LIVE, subject_id=subject.pk, content_hash=memory.content_hash)
        .exclude(pk=memory.pk)
        .exists()
    )
    if memory.is_live and not twin:
        index_memory(subject, memory)
        jobs.enqueue_on_commit(EMBED_TASK)
    elif memory.is_live:
        memory.status, memory.retired_at = "archived", now()
    memory.save(
        update_fields=[
            "text", "content_hash", "proof_count", "source_message_ids", "status", "retired_at",
            "place", "words_count", "embedding", "embedding_model", "updated_at",
        ]
    )  # fmt: skip
    for entry in ChangesetEntry.objects.filter(memory_id=memory.pk):
        entry.before.pop("text", None)
        entry.after = {name: value for name, value in entry.after.items() if name != "text"}
        entry.after.pop(INNER, None)  # nobody undoes what lost a part
        entry.save(update_fields=["before", "after"])
