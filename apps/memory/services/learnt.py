"""Keeping what was learnt: a proof, a new memory, or one that takes another's place.

Everything that one message changes is one changeset, with the message's id, in one transaction
under the subject's lock. Changesets hold states and times, never texts: what is forgotten is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from pgvector.django import CosineDistance

from apps.audit import services as audit
from apps.core.clock import now
from apps.jobs import services as jobs
from apps.memory import metrics
from apps.memory.contracts import (
    ChangesetKind,
    EntityKind,
    Learnt,
    MemoryOrigin,
    MemoryStatus,
    Said,
)
from apps.memory.domain.extraction import Candidate
from apps.memory.domain.likeness import says_the_same
from apps.memory.domain.slots import Holds, Verdict
from apps.memory.domain.texts import content_hash
from apps.memory.domain.weighing import proven
from apps.memory.models import (
    Changeset,
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
from apps.memory.services.filling import current_of, fill, judged
from apps.memory.services.indexing import index_memory
from apps.memory.services.room import find_room
from apps.memory.services.subjects import locked_subject
from apps.memory.services.superseding import not_before, supersede_memory
from apps.memory.services.versions import as_json
from apps.providers.contracts import Embedding

_SOURCES_MAX = 50
_NEAREST = 5  # live memories that a new one is compared with
_PROVEN = ("proof_count", "confidence", "source_message_ids")


@dataclass
class _Writing:
    """One message being learnt from.

    Attributes:
        changes: Memory → (before, after), as its changeset will have them.
        evidence: Memory → what was added to what it rests on, for undoing.
    """

    subject: Subject
    said: Said
    vectors: Mapping[str, Embedding]
    changes: dict[UUID, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    evidence: dict[UUID, list[UUID]] = field(default_factory=dict)
    created: int = 0
    proven: int = 0
    superseded: int = 0
    refused: int = 0

    def note(self, memory_id: UUID, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Add to the changeset; of several changes of one memory the first `before` stays."""
        known_before, known_after = self.changes.get(memory_id, (before, {}))
        self.changes[memory_id] = (known_before, known_after | after)


@transaction.atomic
def keep_candidates(
    *,
    subject_id: UUID,
    said: Said,
    candidates: Sequence[Candidate],
    vectors: Mapping[str, Embedding],
) -> Learnt:
    """Keep what was read in one message, once.

    Args:
        subject_id: Whose memory.
        said: The message.
        candidates: What was read in it, in its order.
        vectors: Of the candidates' texts, where there are any.
    """
    subject = locked_subject(subject_id)
    if Changeset.objects.filter(pk=said.message_id).exists():
        return Learnt()
    writing = _Writing(subject, said, vectors)
    for candidate in candidates:
        _keep(writing, candidate)
    if writing.refused:
        _record_refused(writing)
    if writing.changes:
        _record(writing)
    return Learnt(
        created=writing.created,
        proven=writing.proven,
        superseded=writing.superseded,
        refused=writing.refused,
    )


def _keep(writing: _Writing, candidate: Candidate) -> None:
    known = _same(writing, candidate)
    if known is not None:
        _prove(writing, known, candidate)
        return
    current = current_of(writing.subject.pk, candidate.slot) if candidate.slot else None
    verdict, holds = judged(candidate, current, writing.said.said_at)
    if verdict is Verdict.PROVE and current is not None:
        _prove(writing, current[0], candidate)
    elif verdict is not Verdict.IGNORE:
        _remember(writing, candidate, holds, current[0] if current else None, verdict)


def _same(writing: _Writing, candidate: Candidate) -> Memory | None:
    """Return the live memory that says this already: letter by letter, or nearly."""
    live = Memory.objects.filter(LIVE, subject_id=writing.subject.pk)
    twin = live.filter(content_hash=content_hash(candidate.text)).first()
    vector = writing.vectors.get(candidate.text)
    if twin is not None or candidate.slot or vector is None:
        return twin
    near = (
        live.filter(slot="", embedding_model=vector.model, embedding__isnull=False)
        .annotate(distance=CosineDistance("embedding", list(vector.vector)))
        .order_by("distance", "id")[:_NEAREST]
    )
    return next(
        (row for row in near if says_the_same(candidate.text, row.text, 1 - row.distance)), None
    )


def _prove(writing: _Writing, memory: Memory, candidate: Candidate) -> None:
    if not _add_evidence(writing, memory, candidate):
        return
    before = {name: as_json(getattr(memory, name)) for name in _PROVEN}
    memory.proof_count += 1
    memory.confidence = proven(memory.confidence)
    memory.source_message_ids = [*memory.source_message_ids, writing.said.message_id][:_SOURCES_MAX]
    memory.updated_at = now()
    memory.save(update_fields=["proof_count", "confidence", "source_message_ids", "updated_at"])
    writing.note(memory.pk, before, {name: as_json(getattr(memory, name)) for name in _PROVEN})
    writing.proven += 1


def _add_evidence(writing: _Writing, memory: Memory, candidate: Candidate) -> bool:
    said = writing.said
    row, created = Evidence.objects.get_or_create(
        memory=memory,
        message_id=said.message_id,
        defaults={
            "speaker": said.speaker[:120],
            "quote": candidate.quote,
            "said_at": said.said_at,
        },
    )
    if created:
        writing.evidence.setdefault(memory.pk, []).append(row.pk)
    return created


def _remember(
    writing: _Writing,
    candidate: Candidate,
    holds: Holds,
    current: Memory | None,
    verdict: Verdict,
) -> None:
    memory = _new(writing, candidate, holds, current)
    gives_way = _giving_way(writing, candidate, current if verdict is Verdict.SUPERSEDE else None)
    is_history = verdict is Verdict.HISTORY and current is not None
    if not (gives_way or is_history or _has_room(writing, memory)):
        writing.refused += 1
        return
    if verdict is Verdict.HISTORY and current is not None:
        memory.status = MemoryStatus.ARCHIVED.value
        memory.superseded_by = current
        memory.valid_to = not_before(current.valid_from or writing.said.said_at, memory)
        memory.retired_at = now()
    else:
        index_memory(writing.subject, memory)
        vector = writing.vectors.get(candidate.text)
        if vector is not None:
            memory.embedding, memory.embedding_model = list(vector.vector), vector.model
        else:
            jobs.enqueue_on_commit(EMBED_TASK)
    memory.save(force_insert=True)
    _add_evidence(writing, memory, candidate)
    _mention(writing.subject, memory, candidate.names)
    writing.note(memory.pk, {}, {"status": memory.status})
    writing.created += 1
    for each in gives_way:
        _supersede(writing, each, memory)


def _has_room(writing: _Writing, memory: Memory) -> bool:
    return find_room(writing.subject, memory, keep=writing.changes)


def _giving_way(writing: _Writing, candidate: Candidate, current: Memory | None) -> list[Memory]:
    """Return what a new memory takes the place of: its slot's value, or the plan it changes."""
    found = [current] if current is not None else []
    if candidate.replaces:
        plans = Memory.objects.filter(
            LIVE,
            subject_id=writing.subject.pk,
            slot__startswith=candidate.replaces,
            valid_to=None,
        ).exclude(slot=candidate.slot)
        found += plans.order_by("-id")[:1]
    return found


def _new(writing: _Writing, candidate: Candidate, holds: Holds, current: Memory | None) -> Memory:
    said = writing.said
    memory = Memory(
        subject_id=writing.subject.pk,
        text=candidate.text,
        content_hash=content_hash(candidate.text),
        kind=candidate.kind.value,
        namespace=candidate.namespace.value,
        origin=MemoryOrigin.EXTRACTED.value,
        importance=candidate.importance,
        confidence=candidate.confidence,
        conversation_id=said.conversation_id,
        source_message_ids=[said.message_id],
    )
    fill(memory, candidate, holds, current, said_at=said.said_at)
    return memory


def _supersede(writing: _Writing, old: Memory, new: Memory) -> None:
    at = new.valid_from or writing.said.said_at
    before, after = supersede_memory(writing.subject, old, new, at=at)
    writing.note(old.pk, dict(before), dict(after))
    writing.superseded += 1


def _mention(subject: Subject, memory: Memory, names: Sequence[tuple[str, EntityKind]]) -> None:
    if not names:
        return
    rows = {
        name.casefold()[:120]: Entity(
            subject=subject, name=name[:120], key=name.casefold()[:120], kind=kind.value
        )
        for name, kind in names
    }
    Entity.objects.bulk_create(rows.values(), ignore_conflicts=True)
    known = Entity.objects.filter(subject=subject, key__in=list(rows))
    Mention.objects.bulk_create(
        [Mention(memory=memory, entity=entity) for entity in known], ignore_conflicts=True
    )


def _record_refused(writing: _Writing) -> None:
    audit.record(
        action="memory.full",
        target_type="memory_subject",
        target_id=writing.subject.pk,
        target_label=str(writing.subject.pk),
        data={"refused": writing.refused},
    )
    metrics.memory_writes_total.labels("learnt_refused").inc(writing.refused)


def _record(writing: _Writing) -> None:
    """Write the changeset and the audit entry; texts are content and stay out of both."""
    changeset = Changeset.objects.create(
        id=writing.said.message_id,
        subject=writing.subject,
        kind=ChangesetKind.EXTRACTION.value,
        note=f"{writing.created} learnt, {writing.proven} proven, {writing.superseded} superseded",
    )
    numbers = dict(
        MemoryVersion.objects.filter(memory__in=list(writing.changes))
        .order_by()
        .values_list("memory_id")
        .annotate(last=Max("number"))
    )
    ChangesetEntry.objects.bulk_create(
        ChangesetEntry(
            changeset=changeset,
            memory_id=memory_id,
            before=before,
            after=after
            | {
                INNER: {
                    "version": numbers.get(memory_id, 0),
                    "evidence": [str(pk) for pk in writing.evidence.get(memory_id, ())],
                }
            },
        )
        for memory_id, (before, after) in writing.changes.items()
    )
    counts = {
        "created": writing.created, "proven": writing.proven, "superseded": writing.superseded,
    }  # fmt: skip
    audit.record(
        action="memory.learnt",
        target_type="memory_changeset",
        target_id=changeset.pk,
        target_label=str(changeset.pk),
        data=counts,
    )
    for operation, count in counts.items():
        if count:
            metrics.memory_writes_total.labels(f"learnt_{operation}").inc(count)
