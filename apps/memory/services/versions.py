"""Versions: what a memory was before each change."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from apps.memory.models import Memory, MemoryVersion


def keep_version(memory: Memory, changed: Iterable[str], *, reason: str, by: str = "") -> None:
    """Keep the values that are about to change; call it before they do.

    Args:
        memory: The row as it is, locked.
        changed: Names of its fields.
        reason: Why, in a word or a sentence.
        by: Who changes it, by name; empty for Karen.
    """
    last = memory.versions.aggregate(last=Max("number"))["last"] or 0
    MemoryVersion.objects.create(
        memory=memory,
        number=last + 1,
        before={name: as_json(getattr(memory, name)) for name in changed},
        reason=reason,
        by=by[:120],
    )


def as_json(value: object) -> object:
    """Return a field's value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return value


def keep_versions(changing: Iterable[tuple[Memory, Iterable[str], str]]) -> dict[UUID, int]:
    """Keep what several memories are before they change; as `keep_version`, in two statements.

    Args:
        changing: Rows as they are, locked; the names of their fields that change; the reason.

    Returns:
        The number of each memory's new version.
    """
    several = list(changing)
    last = dict(
        MemoryVersion.objects.filter(memory__in=[memory.pk for memory, _names, _why in several])
        .order_by()
        .values_list("memory_id")
        .annotate(last=Max("number"))
    )
    rows = [
        MemoryVersion(
            memory=memory,
            number=last.get(memory.pk, 0) + 1,
            before={name: as_json(getattr(memory, name)) for name in names},
            reason=reason,
        )
        for memory, names, reason in several
    ]
    MemoryVersion.objects.bulk_create(rows)
    return {row.memory_id: row.number for row in rows}
