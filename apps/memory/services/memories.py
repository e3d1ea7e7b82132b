"""What people change in memories: remember, update, forget."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.memory import metrics, tally
from apps.memory.contracts import (
    IMPORTANCE_DEFAULT,
    IMPORTANCE_MAX,
    IMPORTANCE_MIN,
    MemoryChange,
    MemoryKind,
    MemoryStatus,
    MemoryView,
    Remembered,
)
from apps.memory.models import Memory
from apps.memory.models.memories import LIVE
from apps.memory.selectors import access_memory, memory_view, require_subject
from apps.memory.services.checking import checked_text, record_deed
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.erasing import erase_memories
from apps.memory.services.indexing import index_memory, unindex_memory
from apps.memory.services.quotas import require_room
from apps.memory.services.restoring import index_again
from apps.memory.services.subjects import locked_subject
from apps.memory.services.superseding import revived_values, supersede_memory
from apps.memory.services.telling import prove_by_hand, read_told, refilled, settle_told
from apps.memory.services.versions import keep_version

_SOURCES_MAX = 50
_ALWAYS_COUNTS = timedelta(days=1)
# What a change moves besides what was asked for.
_MOVED = ("place", "words_count", "embedding", "embedding_model", "retired_at", "updated_at")


def remember(
    *,
    actor: Actor,
    permission: str,
    text: str,
    kind: MemoryKind = MemoryKind.SEMANTIC,
    importance: int = IMPORTANCE_DEFAULT,
    confidence: float = 1.0,
    pinned: bool = False,
    source_message_ids: Sequence[UUID] = (),
) -> Remembered:
    """Remember something about the actor.

    Idempotent by what the text says: where it is remembered already, nothing changes, except that
    a pin is added when it is asked for. A fact of which one holds at a time takes the place of the
    one before, whether that was told or learnt.

    Args:
        actor: Whom it is about.
        permission: What the edge demands.
        text: What to remember; blanks are tidied.
        kind: What sort of thing it is.
        importance: 1 to 10.
        confidence: 0 to 1; what a person said themselves is certain.
        pinned: Have it in every prompt.
        source_message_ids: The messages it was taken from.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: The text is empty or too long, or a number is out of range.
        MemoryHoldsSecret: The text holds a card number, a key or a password.
        MemoryFull: There is no room; says how to make some.
    """
    subject_id = require_subject(actor, permission)
    memory = Memory(
        subject_id=subject_id,
        kind=kind,
        importance=_checked_importance(importance),
        confidence=_checked_confidence(confidence),
        pinned_at=now() if pinned else None,
        source_message_ids=list(source_message_ids)[:_SOURCES_MAX],
        **checked_text(text),
    )
    return _remember_once(memory)


@transaction.atomic  # a command of the chat remembers inside its own transaction
def _remember_once(memory: Memory) -> Remembered:
    subject = locked_subject(memory.subject_id)
    known = Memory.objects.filter(
        LIVE, subject_id=memory.subject_id, content_hash=memory.content_hash
    ).first()
    rival = None
    if known is None:
        known, rival = settle_told(memory, read_told(memory.subject_id, memory.text))
        if known is not None:
            prove_by_hand(known, memory.text)
    if known is not None:
        _pin_as_asked(known, memory)
        return Remembered(memory=memory_view(known), created=False)
    if rival is None:
        require_room(subject)
    index_memory(subject, memory)
    memory.save(force_insert=True)
    if rival is not None:
        is_same = rival.value == memory.value
        at = now() if is_same or memory.valid_from is None else memory.valid_from
        supersede_memory(subject, rival, memory, at=at)
    record_deed("memory.remembered", memory, kind=memory.kind)
    jobs.enqueue_on_commit(EMBED_TASK)
    metrics.memory_writes_total.labels("remember").inc()
    return Remembered(memory=memory_view(memory), created=True)


def _pin_as_asked(known: Memory, wanted: Memory) -> None:
    if wanted.pinned_at is not None and known.pinned_at is None:
        keep_version(known, ["pinned_at"], reason="pinned")
        known.pinned_at = known.updated_at = now()
        known.save(update_fields=["pinned_at", "updated_at"])
        record_deed("memory.updated", known, changed=["pinned"])


@transaction.atomic  # a command of the chat remembers inside its own transaction
def update_memory(
    *, actor: Actor, permission: str, memory_id: UUID, change: MemoryChange
) -> MemoryView:
    """Change a memory; what is not given stays. Changing nothing is no change.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
        MemoryExists: Another memory says exactly the new text.
        MemoryHoldsSecret: The new text holds a secret.
        MemoryFull: It is to become live, and there is no room.
        InvalidInput: The text is empty or too long, or a number is out of range.
    """
    subject = locked_subject(require_subject(actor, permission))
    memory = access_memory(actor=actor, memory_id=memory_id, permission=permission, lock=True)
    wanted = _wanted(memory, change)
    if not memory.is_live and wanted.get("status") == MemoryStatus.ACTIVE:
        wanted |= revived_values(memory)
    changed = [name for name, value in wanted.items() if getattr(memory, name) != value]
    if not changed:
        return memory_view(memory)
    keep_version(memory, changed, reason="edited", by=actor.label)
    if {"text", "status"} & set(changed):
        unindex_memory(subject, memory)
    for name in changed:
        setattr(memory, name, wanted[name])
    if memory.is_live and memory.place is None:
        index_again(subject, memory, is_back="status" in changed)
    memory.retired_at = None if memory.is_live else memory.retired_at or now()
    memory.updated_at = now()
    memory.save(update_fields=sorted({name.removesuffix("_id") for name in (*changed, *_MOVED)}))
    record_deed("memory.updated", memory, changed=sorted(changed))
    metrics.memory_writes_total.labels("update").inc()
    return memory_view(memory)


@transaction.atomic  # a command of the chat remembers inside its own transaction
def forget(*, actor: Actor, permission: str, memory_id: UUID) -> None:
    """Erase a memory with all that says the same; see `erasing`.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist (any more), or it is about somebody else.
    """
    subject = locked_subject(require_subject(actor, permission))
    memory = access_memory(actor=actor, memory_id=memory_id, permission=permission, lock=True)
    record_deed("memory.forgotten", memory)
    erase_memories(subject, [memory.pk], reason="forgotten")
    metrics.memory_writes_total.labels("forget").inc()


def note_used(*, memory_ids: Sequence[UUID], always_ids: Sequence[UUID] = ()) -> None:
    """Count that memories were given to a model.

    Args:
        memory_ids: What was found for a question.
        always_ids: What every prompt holds. It counts once a day: often enough that it does not
            fade, and not at each answer, which proves nothing and would be written each time.
    """
    if not memory_ids and not always_ids:
        return
    tally.note(tally.USED, len(memory_ids))
    moment = now()
    rested = Q(last_used_at__isnull=True) | Q(last_used_at__lt=moment - _ALWAYS_COUNTS)
    Memory.objects.filter(Q(pk__in=list(memory_ids)) | Q(pk__in=list(always_ids)) & rested).update(
        use_count=F("use_count") + 1, last_used_at=moment
    )


def _checked_importance(importance: int) -> int:
    if not IMPORTANCE_MIN <= importance <= IMPORTANCE_MAX:
        reason = f"Give a whole number from {IMPORTANCE_MIN} to {IMPORTANCE_MAX}."
        raise InvalidInput(fields={"importance": [reason]})
    return importance


def _checked_confidence(confidence: float) -> float:
    if not 0 <= confidence <= 1:
        raise InvalidInput(fields={"confidence": ["Give a number from 0 to 1."]})
    return confidence


def _wanted(memory: Memory, change: MemoryChange) -> dict[str, object]:
    wanted: dict[str, object] = {}
    if change.text is not None:
        wanted |= checked_text(change.text)
        if wanted["content_hash"] != memory.content_hash:
            wanted |= refilled(memory, str(wanted["text"]))
    if change.kind is not None:
        wanted["kind"] = change.kind.value
    if change.namespace is not None:
        wanted["namespace"] = change.namespace.value
    if change.priority is not None:
        wanted["priority"] = change.priority.value
    if change.importance is not None:
        wanted["importance"] = _checked_importance(change.importance)
    if change.confidence is not None:
        wanted["confidence"] = _checked_confidence(change.confidence)
    if change.pinned is not None and change.pinned != (memory.pinned_at is not None):
        wanted["pinned_at"] = now() if change.pinned else None
    if change.status is not None:
        wanted["status"] = change.status.value
    return wanted
