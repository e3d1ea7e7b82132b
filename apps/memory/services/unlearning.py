"""Erasing what was said, and what only rested on it: derived rows follow their sources."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.clock import now
from apps.memory import metrics
from apps.memory.contracts import MemoryOrigin
from apps.memory.models import Changeset, ChangesetEntry, Evidence, Memory
from apps.memory.services.derived import made_of
from apps.memory.services.erasing import closure, erase_memories
from apps.memory.services.reviving import bring_back, waiting_behind
from apps.memory.services.said import unsay
from apps.memory.services.subjects import locked_subject


@transaction.atomic
def forget_messages(*, message_ids: Sequence[UUID]) -> int:
    """Erase messages from memory: word for word, as evidence, and what only they proved.

    What other messages prove as well stays, and so does what a person told Karen to remember. What
    a forgotten memory had superseded is believed again (`reviving`).

    Returns:
        How many memories were erased.
    """
    unsay(message_ids=message_ids)
    rested = Evidence.objects.filter(message_id__in=list(message_ids))
    found = dict(rested.values_list("memory_id", "memory__subject_id")) | _learnt_from(message_ids)
    gone, erased = set(message_ids), 0
    for subject_id in sorted(set(found.values())):
        subject = locked_subject(subject_id)
        ids = {memory_id for memory_id, whose in found.items() if whose == subject_id}
        ids |= made_of(subject, ids)
        rested.filter(memory_id__in=ids).delete()
        unproven = []
        for memory in Memory.objects.filter(pk__in=ids).prefetch_related("evidence").order_by("id"):
            if memory.pk not in found and gone.isdisjoint(memory.source_message_ids):
                continue
            left = len(memory.evidence.all())
            _lessen(memory, message_ids, left)
            if left or memory.source_message_ids or memory.origin != MemoryOrigin.EXTRACTED:
                continue
            _record(memory)
            unproven.append(memory.pk)
        waiting = waiting_behind(subject, closure(subject, unproven))
        erased += erase_memories(subject, unproven, reason="message").memories
        bring_back(subject, waiting)
    Changeset.objects.filter(pk__in=list(message_ids)).delete()
    if erased:
        metrics.memory_writes_total.labels("forget").inc(erased)
    return erased


def _learnt_from(message_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return what was learnt from messages, and whose it is, also where the words are gone since.

    Words said long ago are erased by the policy and with a topic; what they taught is still there.
    """
    entries = ChangesetEntry.objects.filter(changeset__in=list(message_ids))
    rows = Memory.objects.filter(pk__in=entries.values("memory_id"))
    return {
        memory.pk: memory.subject_id
        for memory in rows.only("pk", "subject_id", "source_message_ids")
        if not set(message_ids).isdisjoint(memory.source_message_ids)
    }


def _lessen(memory: Memory, message_ids: Sequence[UUID], left: int) -> None:
    gone = set(message_ids)
    memory.source_message_ids = [each for each in memory.source_message_ids if each not in gone]
    memory.proof_count = max(left, 1)
    memory.updated_at = now()
    memory.save(update_fields=["source_message_ids", "proof_count", "updated_at"])


def _record(memory: Memory) -> None:
    audit.record(
        action="memory.forgotten",
        target_type="memory",
        target_id=memory.pk,
        target_label=str(memory.pk),
        data={"with": "its message"},
    )
