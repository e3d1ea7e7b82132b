"""Why a memory is believed, how it changed, and why something was recalled."""

from collections.abc import Sequence
from uuid import UUID

from apps.core.scope import Actor
from apps.memory.contracts import (
    Always,
    EvidenceSource,
    MemoryHistory,
    MemoryReasons,
    RecalledKind,
    RecalledSource,
    VersionView,
)
from apps.memory.domain.reasons import reason_from, shares_in
from apps.memory.models import Evidence, Memory, MemoryVersion, Utterance
from apps.memory.selectors.memories import access_memory, memory_view

_ALWAYS = {
    Always.PINNED.value: "You pinned it: it goes into every answer",
    Always.PROFILE.value: "It is part of your profile, which goes into every answer",
    Always.STANDING.value: "You asked for it in all answers",
    Always.EVERYTHING.value: "All that is remembered about you fits, so nothing had to be chosen",
}


def memory_history(*, actor: Actor, memory_id: UUID, permission: str) -> MemoryHistory:
    """Return how a memory about the actor changed.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
    """
    row = access_memory(actor=actor, memory_id=memory_id, permission=permission)
    newer = row.superseded_by
    return MemoryHistory(
        memory=memory_view(row),
        versions=tuple(version_view(version) for version in row.versions.order_by("-number")),
        supersedes=tuple(memory_view(old) for old in _superseded(row)),
        superseded_by=memory_view(newer) if newer is not None else None,
    )


def explain_memory(*, actor: Actor, memory_id: UUID, permission: str) -> MemoryReasons:
    """Return what a memory about the actor rests on.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
    """
    row = access_memory(actor=actor, memory_id=memory_id, permission=permission)
    return MemoryReasons(
        memory=memory_view(row),
        evidence=evidence_of(row, list(row.evidence.all())),
        conversation_id=row.conversation_id,
        learnt_at=row.created_at,
        supersedes=tuple(memory_view(old) for old in _superseded(row)),
    )


def _superseded(row: Memory) -> list[Memory]:
    return list(row.supersedes.defer("embedding").order_by("-retired_at", "-pk"))


def evidence_of(memory: Memory, rows: Sequence[Evidence]) -> tuple[EvidenceSource, ...]:
    """Map the evidence of a memory, with the conversation that each message stands in.

    What was said is asked where each message stands; of a message that was not kept word for
    word, the memory's own conversation is the best that is known.
    """
    wanted = [row.message_id for row in rows if row.message_id is not None]
    places = dict(
        Utterance.objects.filter(subject=memory.subject_id, pk__in=wanted).values_list(
            "pk", "conversation_id"
        )
    )
    return tuple(
        EvidenceSource(
            message_id=row.message_id,
            speaker=row.speaker,
            quote=row.quote,
            said_at=row.said_at,
            conversation_id=places.get(row.message_id, memory.conversation_id)
            if row.message_id
            else None,
        )
        for row in rows
    )


def version_view(row: MemoryVersion) -> VersionView:
    """Map a version."""
    return VersionView(
        number=row.number,
        before=dict(row.before),
        reason=row.reason,
        by=row.by,
        changed_at=row.changed_at,
    )


def list_recalled(*, subject_id: UUID, ids: Sequence[UUID]) -> dict[UUID, RecalledSource]:
    """Return what became of things that were recalled for this person; what is gone is missing.

    Args:
        subject_id: Whose memory.
        ids: Of memories and of messages that were kept word for word.
    """
    found = {
        pk: RecalledSource(kind=RecalledKind.SAID, text=text, conversation_id=conversation)
        for pk, text, conversation in Utterance.objects.filter(
            subject=subject_id, pk__in=list(ids)
        ).values_list("pk", "text", "conversation_id")
    }
    rest = [each for each in ids if each not in found]
    if rest:
        rows = Memory.objects.filter(subject_id=subject_id, pk__in=rest)
        found |= {
            pk: RecalledSource(kind=RecalledKind.MEMORY, text=text, conversation_id=conversation)
            for pk, text, conversation in rows.values_list("pk", "text", "conversation_id")
        }
    return found


def reason_in_words(why: str) -> str:
    """Return why something was recalled as people say it; `why` is what `recall` gave."""
    return _ALWAYS.get(why) or reason_from(shares_in(why))
