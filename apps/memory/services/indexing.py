"""Memories in the index of words and in that of meaning: what is live is in it, nothing else."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.memory import postings
from apps.memory.models import Memory, Subject
from apps.memory.models.memories import LIVE
from apps.memory.services.subjects import locked_subject

_BATCH = 500


def index_memory(subject: Subject, memory: Memory) -> None:
    """Give a live memory a place and its words; the caller saves the memory.

    Args:
        subject: Whose it is, locked.
        memory: Not indexed yet.
    """
    subject.last_memory += 1
    memory.place = -subject.last_memory
    lengths = postings.write(subject.pk, {memory.place: memory.text})
    memory.words_count = lengths.get(memory.place, 0)
    subject.memory_count += 1
    subject.memory_words += memory.words_count
    subject.save(update_fields=["last_memory", "memory_count", "memory_words"])


def unindex_memory(subject: Subject, memory: Memory) -> None:
    """Take a memory out, before its text changes or it goes; the caller saves or deletes it.

    Args:
        subject: Whose it is, locked.
        memory: As it was indexed; nothing happens to one that is not.
    """
    unindex_memories(subject, [memory])


def unindex_memories(subject: Subject, memories: Sequence[Memory]) -> None:
    """Take several memories out at once; as `unindex_memory`."""
    for memory in memories:
        memory.embedding, memory.embedding_model = None, ""
    indexed = [memory for memory in memories if memory.place is not None]
    if not indexed:
        return
    postings.erase(subject.pk, {memory.place: memory.text for memory in indexed if memory.place})
    subject.memory_count -= len(indexed)
    subject.memory_words -= sum(memory.words_count for memory in indexed)
    subject.save(update_fields=["memory_count", "memory_words"])
    for memory in indexed:
        memory.place, memory.words_count = None, 0


def index_waiting() -> int:
    """Index live memories that are not in the index yet: imported ones, and those of before it.

    Returns:
        How many were indexed.
    """
    indexed = 0
    while subject_id := _waiting().values_list("subject_id", flat=True).first():
        indexed += _index_several(subject_id)
    return indexed


def _waiting() -> QuerySet[Memory]:
    return Memory.objects.filter(LIVE, place__isnull=True).order_by("subject_id", "id")


@transaction.atomic
def _index_several(subject_id: UUID) -> int:
    subject = locked_subject(subject_id)
    rows = list(_waiting().filter(subject_id=subject_id).defer("embedding")[:_BATCH])
    for row in rows:
        subject.last_memory += 1
        row.place = -subject.last_memory
    lengths = postings.write(subject_id, _texts(rows))
    for row in rows:
        row.words_count = lengths.get(row.place or 0, 0)
    Memory.objects.bulk_update(rows, ["place", "words_count"])
    subject.memory_count += len(rows)
    subject.memory_words += sum(lengths.values())
    subject.save(update_fields=["last_memory", "memory_count", "memory_words"])
    return len(rows)


def _texts(rows: Iterable[Memory]) -> dict[int, str]:
    return {row.place: row.text for row in rows if row.place is not None}
