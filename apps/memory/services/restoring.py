"""Believing again what was superseded, archived or expired.

Of a fact about one thing at a time (`slot`) only one value holds: where a newer one took the place
of what comes back, the newer one gives way to it, and comes back in the same manner.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.core.clock import now
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.memory import metrics
from apps.memory.contracts import MemoryStatus, MemoryView
from apps.memory.models import Memory, Subject
from apps.memory.models.memories import LIVE
from apps.memory.selectors import access_memory, memory_view, require_subject
from apps.memory.services.checking import record_deed, require_single
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.indexing import index_memory, unindex_memories
from apps.memory.services.quotas import require_room
from apps.memory.services.subjects import locked_subject
from apps.memory.services.versions import keep_version, keep_versions

_RESTORED = ("status", "retired_at", "superseded_by_id", "valid_to", "expires_at")
_RETIRED = ("status", "retired_at", "superseded_by_id", "valid_to")
_INDEXED = ("place", "words_count", "updated_at")


@transaction.atomic  # a command of the chat remembers inside its own transaction
def restore(*, actor: Actor, permission: str, memory_id: UUID) -> MemoryView:
    """Believe again what was superseded, archived or expired; a live memory stays as it is.

    It counts as used now, so that it does not fade again at once.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
        MemoryExists: Another memory says exactly this meanwhile.
        MemoryFull: There is no room.
    """
    subject = locked_subject(require_subject(actor, permission))
    memory = access_memory(actor=actor, memory_id=memory_id, permission=permission, lock=True)
    if not memory.is_live:
        bring_back(subject, memory, by=actor.label)
    return memory_view(memory)


def bring_back(subject: Subject, memory: Memory, *, by: str) -> None:
    """Make a memory live, inside the caller's transaction.

    Args:
        subject: Whose it is, locked.
        memory: Not live, locked.
        by: Who wants it, by name.

    Raises:
        MemoryExists: Another memory says exactly this meanwhile.
        MemoryFull: There is no room.
    """
    require_single(memory)
    told = _validity_as_told(memory)
    keep_version(memory, _RESTORED, reason="restored", by=by)
    moment = now()
    if memory.slot and told is None:
        _give_way(subject, memory, moment)
    require_room(subject)
    memory.status, memory.retired_at, memory.superseded_by = MemoryStatus.ACTIVE, None, None
    memory.valid_to = told
    memory.last_used_at = memory.updated_at = moment
    if memory.expires_at is not None and memory.expires_at <= moment:
        memory.expires_at = None
    index_memory(subject, memory)
    jobs.enqueue_on_commit(EMBED_TASK)
    memory.save(update_fields=sorted({*_RESTORED, *_INDEXED, "last_used_at"}))
    record_deed("memory.restored", memory)
    metrics.memory_writes_total.labels("restore").inc()


def _give_way(subject: Subject, memory: Memory, moment: datetime) -> None:
    """Retire what fills the slot now."""
    current = list(
        Memory.objects.select_for_update(no_key=True)
        .filter(LIVE, subject_id=subject.pk, slot=memory.slot, valid_to=None)
        .exclude(pk=memory.pk)
        .defer("words")
    )
    keep_versions([(each, _RETIRED, "superseded") for each in current])
    unindex_memories(subject, current)
    for each in current:
        each.status, each.superseded_by = MemoryStatus.ARCHIVED, memory
        each.valid_to = max(moment, each.valid_from or moment)
        each.retired_at = each.updated_at = moment
        each.save(
            update_fields=sorted({*_RETIRED, *_INDEXED, "embedding", "embedding_model"}),
        )


def _validity_as_told(memory: Memory) -> datetime | None:
    """Return until when it was said to be true, before being superseded ended that."""
    if memory.superseded_by_id is None:
        return memory.valid_to
    for version in memory.versions.order_by("-number"):
        if "valid_to" in version.before and version.before.get("status") != memory.status:
            told = version.before["valid_to"]
            return datetime.fromisoformat(told) if told else None
    return None
