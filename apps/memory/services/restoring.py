"""Believing again what was superseded, archived or expired.

Of a fact about one thing at a time (`slot`) only one value holds: where a newer one took the place
of what comes back, the newer one gives way to it, and comes back in the same manner.
"""

from uuid import UUID

from django.db import transaction

from apps.core.clock import now
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.memory import metrics
from apps.memory.contracts import MemoryView
from apps.memory.models import Memory, Subject
from apps.memory.selectors import access_memory, memory_view, require_subject
from apps.memory.services.checking import record_deed, require_single
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.indexing import index_memory
from apps.memory.services.quotas import require_room
from apps.memory.services.subjects import locked_subject
from apps.memory.services.superseding import revived_values, rivals_of, supersede_memory
from apps.memory.services.versions import keep_version


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
    if memory.is_live:
        return memory_view(memory)
    values = revived_values(memory)
    keep_version(memory, values, reason="restored", by=actor.label)
    for name, value in values.items():
        setattr(memory, name, value)
    memory.last_used_at = memory.updated_at = now()
    index_again(subject, memory, is_back=True)
    moved = {name.removesuffix("_id") for name in values}
    memory.save(
        update_fields=sorted({*moved, "place", "words_count", "last_used_at", "updated_at"})
    )
    record_deed("memory.restored", memory)
    metrics.memory_writes_total.labels("restore").inc()
    return memory_view(memory)


def index_again(subject: Subject, memory: Memory, *, is_back: bool) -> None:
    """Index what is live again, or says something else; what its slot holds gives way.

    Args:
        subject: Whose it is, locked.
        memory: With its new values, not indexed and not saved yet.
        is_back: It was not live before, so it needs room.

    Raises:
        MemoryExists: Another memory says exactly this meanwhile.
        MemoryFull: There is no room.
    """
    require_single(memory)
    for rival in rivals_of(memory):
        supersede_memory(subject, rival, memory, at=now())
    if is_back:
        require_room(subject)
    index_memory(subject, memory)
    jobs.enqueue_on_commit(EMBED_TASK)
