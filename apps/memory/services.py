"""What changes memories."""

from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.concurrency import run_async
from apps.core.errors import InvalidInput
from apps.core.logging import get_logger
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory import metrics
from apps.memory.contracts import (
    IMPORTANCE_DEFAULT,
    IMPORTANCE_MAX,
    IMPORTANCE_MIN,
    TEXT_MAX,
    MemoryChange,
    MemoryKind,
    MemoryStatus,
    MemoryView,
    Remembered,
)
from apps.memory.domain.secrets import secret_in
from apps.memory.domain.texts import cleaned, content_hash
from apps.memory.errors import MemoryExists, MemoryHoldsSecret
from apps.memory.models import Memory
from apps.memory.selectors import access_memory, memory_view, require_subject
from apps.providers import gateway
from apps.providers.contracts import Flow
from apps.providers.errors import NoModelAvailable

logger = get_logger(__name__)

EMBED_TASK = "memory.embed_waiting"
_EMBED_BATCH = 64
_EMBED_RESERVE_S = 10.0
_SOURCES_MAX = 50


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
    a pin is added when it is asked for.

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
    """
    subject_id = require_subject(actor, permission)
    memory = Memory(
        subject_id=subject_id,
        kind=kind,
        importance=_checked_importance(importance),
        confidence=_checked_confidence(confidence),
        pinned_at=now() if pinned else None,
        source_message_ids=list(source_message_ids)[:_SOURCES_MAX],
        **_checked_text(text),
    )
    for _attempt in range(2):
        try:
            return _remember_once(memory)
        except IntegrityError:  # a twin of this request committed first: look again
            continue
    raise MemoryExists


@transaction.atomic  # a command of the chat remembers inside its own transaction
def _remember_once(memory: Memory) -> Remembered:
    known = (
        Memory.objects.select_for_update(no_key=True)
        .filter(
            subject_id=memory.subject_id,
            content_hash=memory.content_hash,
            status=MemoryStatus.ACTIVE,
        )
        .first()
    )
    if known is not None:
        if memory.pinned_at is not None and known.pinned_at is None:
            known.pinned_at = known.updated_at = now()
            known.save(update_fields=["pinned_at", "updated_at"])
            _record("memory.updated", known, changed=["pinned"])
        return Remembered(memory=memory_view(known), created=False)
    memory.save(force_insert=True)
    _record("memory.remembered", memory, kind=memory.kind)
    jobs.enqueue_on_commit(EMBED_TASK)
    metrics.memory_writes_total.labels("remember").inc()
    return Remembered(memory=memory_view(memory), created=True)


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
        InvalidInput: The text is empty or too long, or a number is out of range.
    """
    memory = access_memory(actor=actor, memory_id=memory_id, permission=permission, lock=True)
    wanted = _wanted(memory, change)
    changed = [name for name, value in wanted.items() if getattr(memory, name) != value]
    if not changed:
        return memory_view(memory)
    for name in changed:
        setattr(memory, name, wanted[name])
    if "text" in changed:
        memory.embedding, memory.embedding_model = None, ""
        changed += ["embedding", "embedding_model"]
    memory.updated_at = now()
    try:
        with transaction.atomic():
            memory.save(update_fields=[*changed, "updated_at"])
    except IntegrityError:
        raise MemoryExists from None
    _record("memory.updated", memory, changed=sorted(changed))
    if not memory.embedding_model and memory.status == MemoryStatus.ACTIVE:
        jobs.enqueue_on_commit(EMBED_TASK)
    metrics.memory_writes_total.labels("update").inc()
    return memory_view(memory)


@transaction.atomic  # a command of the chat remembers inside its own transaction
def forget(*, actor: Actor, permission: str, memory_id: UUID) -> None:
    """Erase a memory with its vector.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist (any more), or it is about somebody else.
    """
    memory = access_memory(actor=actor, memory_id=memory_id, permission=permission, lock=True)
    _record("memory.forgotten", memory)
    memory.delete()
    metrics.memory_writes_total.labels("forget").inc()


def note_used(*, memory_ids: Sequence[UUID]) -> None:
    """Count that memories were given to a model."""
    if memory_ids:
        Memory.objects.filter(pk__in=list(memory_ids)).update(
            use_count=F("use_count") + 1, last_used_at=now()
        )


def embed_waiting() -> int:
    """Compute the vectors of active memories that have none, newest first.

    Harmless when it runs twice: a vector is written only while the text is the one that was read.

    Returns:
        How many were written; none while no embedding model is installed.
    """
    written = 0
    while remaining_s() > _EMBED_RESERVE_S:
        waiting = list(
            Memory.objects.filter(embedding__isnull=True, status=MemoryStatus.ACTIVE)
            .order_by("-id")
            .values_list("pk", "text", "content_hash")[:_EMBED_BATCH]
        )
        if not waiting:
            break
        try:
            vectors = run_async(
                gateway.embed(flow=Flow.EMBED_TEXT, texts=[text for _pk, text, _hash in waiting])
            )
        except NoModelAvailable as error:
            logger.warning("memory.not_embedded", waiting=len(waiting), reason=str(error))
            break
        for (pk, _text, digest), embedding in zip(waiting, vectors, strict=True):
            written += Memory.objects.filter(pk=pk, content_hash=digest).update(
                embedding=list(embedding.vector), embedding_model=embedding.model
            )
    return written


def _checked_text(text: str) -> dict[str, str]:
    kept = cleaned(text)
    if not kept:
        raise InvalidInput(fields={"text": ["Say what to remember."]})
    if len(kept) > TEXT_MAX:
        raise InvalidInput(fields={"text": [f"At most {TEXT_MAX} characters."]})
    secret = secret_in(kept)
    if secret:
        raise MemoryHoldsSecret(secret)
    return {"text": kept, "content_hash": content_hash(kept)}


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
        wanted |= _checked_text(change.text)
    if change.kind is not None:
        wanted["kind"] = change.kind.value
    if change.importance is not None:
        wanted["importance"] = _checked_importance(change.importance)
    if change.confidence is not None:
        wanted["confidence"] = _checked_confidence(change.confidence)
    if change.pinned is not None and change.pinned != (memory.pinned_at is not None):
        wanted["pinned_at"] = now() if change.pinned else None
    if change.status is not None:
        wanted["status"] = change.status.value
    return wanted


def _record(action: str, memory: Memory, **data: object) -> None:
    """Write the audit entry; the text is content and stays out of it."""
    audit.record(
        action=action,
        target_type="memory",
        target_id=memory.pk,
        target_label=str(memory.pk),
        data=data or None,
    )
