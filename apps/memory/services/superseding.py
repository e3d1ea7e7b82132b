"""One memory taking another one's place, and memories coming back: one value a slot at a time."""

from collections.abc import Mapping
from datetime import datetime

from apps.core.clock import now
from apps.memory.contracts import MemoryStatus
from apps.memory.models import Memory, Subject
from apps.memory.models.memories import LIVE
from apps.memory.services.indexing import unindex_memory
from apps.memory.services.versions import as_json, keep_version

RETIRED = ("status", "valid_to", "superseded_by_id", "retired_at")
_LIVE = (MemoryStatus.ACTIVE.value, MemoryStatus.CONSOLIDATING.value)


def supersede_memory(
    subject: Subject, old: Memory, new: Memory, *, at: datetime
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Retire a memory for another one: it stays, with when it was true and what holds now.

    Args:
        subject: Whose both are, locked.
        old: Live.
        new: What holds now.
        at: When it began to hold.

    Returns:
        What changed in `old`, before and after, as JSON has it.
    """
    keep_version(old, RETIRED, reason="superseded")
    before = {name: as_json(getattr(old, name)) for name in RETIRED}
    unindex_memory(subject, old)
    old.status = MemoryStatus.ARCHIVED.value
    old.superseded_by = new
    old.valid_to = not_before(at, old)
    old.retired_at = old.updated_at = now()
    old.save(
        update_fields=[
            "status", "superseded_by", "valid_to", "retired_at", "updated_at", "place",
            "words_count", "embedding", "embedding_model",
        ]
    )  # fmt: skip
    return before, {name: as_json(getattr(old, name)) for name in RETIRED}


def not_before(moment: datetime, memory: Memory) -> datetime:
    """Return when a memory's truth ended, which is not before it began."""
    return max(moment, memory.valid_from) if memory.valid_from else moment


def rivals_of(memory: Memory, *, is_current: bool = False) -> list[Memory]:
    """Return what else the slot of a memory holds now, the newest first; the subject is locked.

    Args:
        memory: What is, or is to be, live; what was true for a while has no rivals.
        is_current: It will be true for good, whatever its validity is still.
    """
    if not memory.slot or (memory.valid_to is not None and not is_current):
        return []
    rows = Memory.objects.filter(
        LIVE, subject_id=memory.subject_id, slot=memory.slot, valid_to=None
    )
    return list(rows.exclude(pk=memory.pk).order_by("-pk"))


def revived_values(memory: Memory) -> dict[str, object]:
    """Return what becomes of a retired memory that is believed again: it is as it was told."""
    expired = memory.expires_at is not None and memory.expires_at <= now()
    return {
        "status": MemoryStatus.ACTIVE.value,
        "superseded_by_id": None,
        "valid_to": _validity_as_told(memory),
        "retired_at": None,
        "expires_at": None if expired else memory.expires_at,
    }


def _validity_as_told(memory: Memory) -> datetime | None:
    """Return until when it was said to be true, before being superseded ended that."""
    if memory.superseded_by_id is None:
        return memory.valid_to
    for version in memory.versions.order_by("-number"):
        if version.before.get("status") in _LIVE and "valid_to" in version.before:
            told = version.before["valid_to"]
            return datetime.fromisoformat(told) if told else None
    return None
