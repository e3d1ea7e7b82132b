"""How changes of several memories are said to people. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _, gettext_lazy, ngettext

from apps.memory.contracts import (
    Became,
    ChangesetEntryView,
    ChangesetKind,
    ChangesetState,
    ChangesetView,
)

_TITLES = {
    ChangesetKind.EXTRACTION: gettext_lazy("Learnt from a message"),
    ChangesetKind.CONSOLIDATION: gettext_lazy("Tidied up"),
    ChangesetKind.LIFE: gettext_lazy("Put aside"),
    ChangesetKind.MERGE: gettext_lazy("Merged by you"),
    ChangesetKind.IMPORT: gettext_lazy("Imported"),
}
_WHY = {
    "said the same": gettext_lazy("They said the same, so one stands for all of them."),
    "told in short": gettext_lazy("They were long ago, so one tells them in short."),
    "decay": gettext_lazy("They faded, because nothing needed them for long."),
    "expired": gettext_lazy("They were over."),
    "short_term": gettext_lazy("They mattered for some days only."),
    "quota": gettext_lazy("There was no room, and these were needed least."),
}
_BECAME = {
    Became.MADE: gettext_lazy("new"),
    Became.CHANGED: gettext_lazy("changed"),
    Became.REPLACED: gettext_lazy("replaced"),
    Became.ARCHIVED: gettext_lazy("archived"),
    Became.EXPIRED: gettext_lazy("expired"),
}
_ORDER = (Became.MADE, Became.CHANGED, Became.REPLACED, Became.ARCHIVED, Became.EXPIRED)
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """What became of one memory; `text` is empty for one that was forgotten or undone."""

    memory_id: UUID
    text: str
    became: str
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    """One change of several memories.

    Attributes:
        why: Why it happened; empty where the title says it.
        first: Some of its memories; `rest` are the others.
    """

    id: UUID
    title: str
    why: str
    at: datetime
    undone_at: datetime | None
    can_undo: bool
    first: tuple[ShownEntry, ...]
    rest: tuple[ShownEntry, ...]


def shown_change(view: ChangesetView) -> ShownChange:
    """Return a change in words, what stays of it before what went."""
    texts = {entry.memory_id: entry.text or "" for entry in view.entries}
    ordered = sorted(view.entries, key=lambda entry: _ORDER.index(entry.became))
    entries = tuple(_entry(entry, texts) for entry in ordered)
    return ShownChange(
        id=view.id,
        title=str(_TITLES[view.kind]),
        why=str(_WHY.get(view.note, "")),
        at=view.created_at,
        undone_at=view.undone_at,
        can_undo=view.state is ChangesetState.APPLIED and bool(entries),
        first=entries[:_SHOWN],
        rest=entries[_SHOWN:],
    )


def _entry(entry: ChangesetEntryView, texts: Mapping[UUID, str]) -> ShownEntry:
    into = str(entry.after.get("superseded_by_id") or "")
    return ShownEntry(
        memory_id=entry.memory_id,
        text=entry.text or "",
        became=str(_BECAME[entry.became]),
        into=texts.get(UUID(into), "") if into else "",
    )


def why_not_undone(texts: Sequence[str], gone: int) -> str:
    """Return why changes cannot be undone: which memories are not as they left them.

    Args:
        texts: What the memories say that were changed since.
        gone: How many were forgotten since.
    """
    told = []
    if texts:
        named = ", ".join(f"“{text}”" for text in texts[:3])
        more = len(texts) - 3
        if more > 0:
            named += ngettext(" and %d more", " and %d more", more) % more
        told.append(_("Changed since: %(named)s.") % {"named": named})
    if gone:
        lost = ngettext("%d memory was forgotten since.", "%d memories were forgotten since.", gone)
        told.append(lost % gone)
    return " ".join([_("This cannot be undone any more."), *told, _("Nothing was changed.")])
