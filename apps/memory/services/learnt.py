"""Keeping what was learnt: a proof, a new memory, or one that takes another's place.

Everything that one message changes is one changeset, with the message's id, in one transaction
under the subject's lock. Changesets hold states and times, never texts: what is forgotten is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
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
from apps.memory.domain.slots import Filling, Holds, Verdict, ended, judge, same_value
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
from apps.memory.services.indexing import index_memory, unindex_memory
from apps.memory.services.subjects import locked_subject
from apps.memory.services.versions import as_json, keep_version
from apps.providers.contracts import Embedding

_SOURCES_MAX = 50
_NEAREST = 5  # live memories that a new one is compared with
_PROVEN = ("proof_count", "confidence", "source_message_ids")
_RETIRED = ("status", "valid_to", "superseded_by_id", "retired_at")


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
    if not writing.changes:
        return Learnt()
    _record(writing)
    return Learnt(created=writing.created, proven=writing.proven, superseded=writing.superseded)


def _keep(writing: _Writing, candidate: Candidate) -> None:
    known = _same(writing, candidate)
    if known is not None:
        _prove(writing, known, candidate)
        return
    current = _current(writing, candidate.slot) if candidate.slot else None
    holds, value = candidate.holds, candidate.value
    if (
        holds is Holds.PAST
        and candidate.until is None
        and current is not None
        and same_value(value, current[0].value)
    ):
        holds = Holds.ENDED  # "I used to live in Rome", where Rome is what is known
    new = Filling(value=value, said_at=writing.said.said_at, holds=holds)
    if holds is Holds.ENDED and current is None and not value:
        return  # the end of nothing that is known
    verdict = judge(new, current and Filling(value=current[0].value, said_at=current[1]))
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


def _current(writing: _Writing, slot: str) -> tuple[Memory, datetime] | None:
    """Return what a slot holds, and when that was said last."""
    row = (
        Memory.objects.filter(LIVE, subject_id=writing.subject.pk, slot=slot, valid_to=None)
        .annotate(last_said_at=Max("evidence__said_at"))
        .order_by("-id")
        .first()
    )
    return None if row is None else (row, row.last_said_at or row.created_at)


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
    if verdict is Verdict.HISTORY and current is not None:
        memory.status = MemoryStatus.ARCHIVED.value
        memory.superseded_by = current
        memory.valid_to = _not_before(current.valid_from or writing.said.said_at, memory)
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
    if verdict is Verdict.SUPERSEDE and current is not None:
        _supersede(writing, current, memory)
    if candidate.replaces:
        replaced = (
            Memory.objects.filter(
                LIVE,
                subject_id=writing.subject.pk,
                slot__startswith=candidate.replaces,
                valid_to=None,
            )
            .exclude(slot=candidate.slot)
            .exclude(pk=memory.pk)
            .order_by("-id")
            .first()
        )
        if replaced is not None:
            _supersede(writing, replaced, memory)


def _new(writing: _Writing, candidate: Candidate, holds: Holds, current: Memory | None) -> Memory:
    said = writing.said
    value, since, until = candidate.value, candidate.since, candidate.until
    valid_to = None
    valid_from = _start(since) if since else None
    if holds is Holds.PAST:
        valid_to = _start(until) if until else said.said_at
        if valid_from is not None:
            valid_to = max(valid_to, valid_from)
    elif holds is Holds.ENDED:
        value = ended(value or (current.value if current else ""))
        valid_from = _start(until) if until else said.said_at
    elif candidate.slot:
        valid_from = valid_from or said.said_at
    return Memory(
        subject_id=writing.subject.pk,
        text=candidate.text,
        content_hash=content_hash(candidate.text),
        kind=candidate.kind.value,
        namespace=candidate.namespace.value,
        origin=MemoryOrigin.EXTRACTED.value,
        importance=candidate.importance,
        confidence=candidate.confidence,
        slot=candidate.slot,
        value=value,
        conversation_id=said.conversation_id,
        source_message_ids=[said.message_id],
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _not_before(moment: datetime, memory: Memory) -> datetime:
    return max(moment, memory.valid_from) if memory.valid_from else moment


def _supersede(writing: _Writing, old: Memory, new: Memory) -> None:
    """Retire a memory: it stays, with when it was true and what holds now."""
    keep_version(old, _RETIRED, reason="superseded")
    before = {name: as_json(getattr(old, name)) for name in _RETIRED}
    unindex_memory(writing.subject, old)
    old.status = MemoryStatus.ARCHIVED.value
    old.superseded_by = new
    old.valid_to = _not_before(new.valid_from or writing.said.said_at, old)
    old.retired_at = old.updated_at = now()
    old.save(
        update_fields=[
            "status", "superseded_by", "valid_to", "retired_at", "updated_at", "place",
            "words_count", "embedding", "embedding_model",
        ]
    )  # fmt: skip
    writing.note(old.pk, before, {name: as_json(getattr(old, name)) for name in _RETIRED})
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
