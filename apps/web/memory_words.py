"""How a memory, its past and its reasons are said to people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _, gettext_lazy

from apps.memory.contracts import MemoryOrigin, MemoryView, VersionView

KIND_NAMES = {
    "semantic": gettext_lazy("Fact"),
    "episodic": gettext_lazy("Event"),
    "procedural": gettext_lazy("How-to"),
}
ENTITY_NAMES = {
    "person": gettext_lazy("Person"),
    "place": gettext_lazy("Place"),
    "organisation": gettext_lazy("Organisation"),
    "thing": gettext_lazy("Thing"),
}
ORIGINS = {
    MemoryOrigin.PERSON: gettext_lazy("You told Karen."),
    MemoryOrigin.EXTRACTED: gettext_lazy("Karen read it in a conversation."),
    MemoryOrigin.CONSOLIDATED: gettext_lazy("Karen put it together from several memories."),
    MemoryOrigin.IMPORTED: gettext_lazy("It came with an import."),
}
_FIELDS = {
    "text": gettext_lazy("Said"),
    "kind": gettext_lazy("Sort"),
    "importance": gettext_lazy("Importance"),
    "confidence": gettext_lazy("Confidence"),
    "status": gettext_lazy("State"),
    "pinned_at": gettext_lazy("Pinned"),
    "valid_from": gettext_lazy("True from"),
    "valid_to": gettext_lazy("True until"),
    "namespace": gettext_lazy("Kept"),
    "priority": gettext_lazy("Priority"),
    "value": gettext_lazy("Value"),
    "expires_at": gettext_lazy("Expires"),
}
_REASONS = {
    "edited": gettext_lazy("Changed"),
    "pinned": gettext_lazy("Pinned"),
    "superseded": gettext_lazy("Replaced by something newer"),
    "decay": gettext_lazy("Faded, because it was not needed"),
    "merged": gettext_lazy("Merged"),
    "expired": gettext_lazy("Expired"),
    "restored": gettext_lazy("Taken back"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The memories learnt in one month, by day, newest first."""

    name: str
    days: tuple["Day", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The memories learnt on one day."""

    day: date
    memories: tuple[MemoryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """One change of a memory: when, why, by whom, and (what, before, after) of its values."""

    at: datetime
    reason: str
    by: str
    values: tuple[tuple[str, str, str], ...]


def timeline(memories: Sequence[MemoryView]) -> tuple[Month, ...]:
    """Return memories, newest first, by month and day of when they were learnt (UTC)."""
    months: list[tuple[str, list[tuple[date, list[MemoryView]]]]] = []
    for memory in memories:
        day = memory.created_at.date()
        month = f"{day:%B %Y}"
        if not months or months[-1][0] != month:
            months.append((month, []))
        days = months[-1][1]
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(memory)
    return tuple(
        Month(name=name, days=tuple(Day(day=day, memories=tuple(rows)) for day, rows in days))
        for name, days in months
    )


def past_changes(memory: MemoryView, versions: Sequence[VersionView]) -> tuple[PastChange, ...]:
    """Return what happened to a memory, in words, the last change first.

    Args:
        memory: As it is now.
        versions: What it was before each change, the last one first.
    """
    known: dict[str, object] = {
        name: getattr(memory, name) for name in _FIELDS if hasattr(memory, name)
    }
    known["pinned_at"] = memory.created_at if memory.pinned else None
    changes = []
    for version in versions:
        changes.append(
            PastChange(
                at=version.changed_at,
                reason=_reason(version.reason),
                by=version.by,
                values=_values(version.before, known),
            )
        )
        known |= version.before
    return tuple(changes)


def _reason(reason: str) -> str:
    return str(_REASONS.get(reason, reason.replace("_", " ").capitalize()))


def _values(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[tuple[str, str, str], ...]:
    told = (
        (str(label), _plain(name, before[name]), _plain(name, after.get(name)))
        for name, label in _FIELDS.items()
        if name in before
    )
    return tuple(each for each in told if each[1] != each[2])


def _plain(name: str, value: object) -> str:
    if name == "pinned_at":
        return _("no") if value is None else _("yes")
    if value is None or value == "":
        return _("nothing")
    if name in {"valid_from", "valid_to", "expires_at"}:
        moment = value if isinstance(value, datetime) else parse_datetime(str(value))
        return f"{moment:%-d %B %Y}" if moment else str(value)
    if name == "kind":
        return str(KIND_NAMES.get(str(value), value))
    if name == "confidence" and isinstance(value, float):
        return f"{value:.0%}"
    return str(value).replace("_", " ") if name in {"status", "namespace"} else str(value)
