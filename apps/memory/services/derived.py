"""What was made of memories follows them: without the words and names of what is erased.

A merge copies evidence and names of its sources onto what stays, and a second merge copies the
copies. Each copy is written down with the source it came from (`INNER`), so it can be taken away
with it, unless another source says the same.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from apps.core.clock import now
from apps.jobs import services as jobs
from apps.memory.contracts import ChangesetKind, ChangesetState, MemoryOrigin
from apps.memory.domain.digests import digest
from apps.memory.domain.texts import content_hash
from apps.memory.models import (
    ChangesetEntry,
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

_LOST = -1  # no memory has such a version
DEEP = 100  # a chain of merges is never longer; a circle would be
_COPIED: dict[str, type[Evidence | Mention]] = {"evidence": Evidence, "mentions": Mention}
_MERGING = (ChangesetKind.CONSOLIDATION.value, ChangesetKind.MERGE.value)


def merges_of(subject: Subject) -> QuerySet[ChangesetEntry]:
    """Return the entries of a subject's merges that hold."""
    return ChangesetEntry.objects.filter(
        changeset__subject=subject,
        changeset__kind__in=_MERGING,
        changeset__state=ChangesetState.APPLIED,
    )


def made_of(subject: Subject, memory_ids: Iterable[UUID]) -> set[UUID]:
    """Return what memories were merged into, and what that was, without themselves."""
    known = set(memory_ids)
    made, below = set[UUID](), known
    for _round in range(DEEP):
        found = merges_of(subject).filter(memory_id__in=below).values_list("after", flat=True)
        below = {UUID(str(by)) for after in found if (by := after.get("superseded_by_id"))} - made
        if not below:
            break
        made |= below
    return made - known


def follow_sources(subject: Subject, gone: set[UUID]) -> None:
    """Take what is going out of everything that was made of it, however often it was merged."""
    below = set(gone)
    for _round in range(DEEP):
        found = merges_of(subject).filter(memory_id__in=below).values_list("after", flat=True)
        named = {UUID(str(by)) for after in found if (by := after.get("superseded_by_id"))}
        targets = list(
            Memory.objects.select_for_update(no_key=True)
            .filter(subject_id=subject.pk, pk__in=named - gone)
            .defer("embedding", "words")
        )
        if not targets:
            return
        for target in targets:
            _take_copies(subject, target, below, gone)
            if target.origin == MemoryOrigin.CONSOLIDATED:
                _tell_anew(subject, target, gone)
        below = {target.pk for target in targets}


def _pointing_at(subject: Subject, target: Memory) -> list[ChangesetEntry]:
    rows = merges_of(subject).filter(after__superseded_by_id=str(target.pk))
    return list(rows.order_by("pk"))


def _take_copies(subject: Subject, target: Memory, below: set[UUID], gone: set[UUID]) -> None:
    """Take away the copies whose source is going, or has lost what was copied."""
    entries = _pointing_at(subject, target)
    sources = {entry.memory_id: entry for entry in entries if entry.memory_id not in gone}
    for name, model in _COPIED.items():
        has = _keys_of(model, sources)
        for entry in entries:
            copies = entry.after.get(INNER, {}).get(name, [])
            if entry.memory_id not in below or not copies:
                continue
            for copy in model._default_manager.filter(pk__in=copies, memory=target):
                key = _key(copy)
                if key in has.get(entry.memory_id, ()):
                    continue
                heir = next((pk for pk in sources if key in has.get(pk, ())), None)
                if heir is None:
                    copy.delete()
                else:
                    _hand_over(entry, sources[heir], name, str(copy.pk))
    ChangesetEntry.objects.bulk_update(entries, ["after"])


def _key(row: Evidence | Mention) -> object:
    """Return what makes two rows the same: the message or the words; the name."""
    return (row.message_id or row.quote) if isinstance(row, Evidence) else row.entity_id


def _keys_of(
    model: type[Evidence | Mention], memory_ids: Iterable[UUID]
) -> dict[UUID, set[object]]:
    has: dict[UUID, set[object]] = {}
    for row in model._default_manager.filter(memory__in=list(memory_ids)):
        has.setdefault(row.memory_id, set()).add(_key(row))
    return has


def _hand_over(entry: ChangesetEntry, heir: ChangesetEntry, name: str, copy: str) -> None:
    entry.after[INNER][name] = [pk for pk in entry.after[INNER][name] if pk != copy]
    kept = heir.after.get(INNER)
    if kept is not None:
        kept[name] = [*kept.get(name, ()), copy]


def _sources_of(subject: Subject, memory: Memory, gone: set[UUID]) -> list[Memory]:
    """Return what a memory still tells; what was restored since speaks for itself, if others do."""
    rows = Memory.objects.filter(subject_id=subject.pk).exclude(pk__in=gone)
    rows = rows.order_by("created_at", "pk").defer("embedding", "words")
    told = list(rows.filter(superseded_by=memory))
    entries = _pointing_at(subject, memory)
    return told or list(rows.filter(pk__in=[entry.memory_id for entry in entries]))


def _tell_anew(subject: Subject, memory: Memory, gone: set[UUID]) -> None:
    left = _sources_of(subject, memory, gone)
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
        if INNER in entry.after:
            entry.after[INNER]["version"] = _LOST  # nobody undoes what lost a part
        entry.save(update_fields=["before", "after"])
