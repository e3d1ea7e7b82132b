"""What Karen would say about somebody now: what holds, where it comes from, what was before."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import F, Prefetch, Q

from apps.core.clock import now
from apps.core.scope import Actor
from apps.memory.contracts import (
    EvidenceSource,
    MemoryKind,
    PortraitGroup,
    PortraitLine,
    PortraitSection,
)
from apps.memory.domain.portrait import Sketched, about_in_words, group_of, parts_of_slot
from apps.memory.models import Memory, Utterance
from apps.memory.models.memories import LIVE
from apps.memory.selectors.entities import entity_key
from apps.memory.selectors.memories import list_memories, memory_view, require_subject

LINES_MAX = 40  # of a group; more are on the page of memories
_READ_MAX = 1_000  # memories, the weightiest: nobody reads a portrait of more


def list_portrait(
    *, actor: Actor, permission: str, about: str = "", lines_max: int = LINES_MAX
) -> tuple[PortraitSection, ...]:
    """Return what holds of the actor now, by group; groups of which nothing is known are missing.

    Args:
        actor: Of whom.
        permission: What the edge demands.
        about: Only what names this person, place or thing; empty for all.
        lines_max: Most lines of a group.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    subject_id, moment = require_subject(actor, permission), now()
    rows = list_memories(actor=actor, permission=permission).filter(LIVE & _holds(moment))
    if about:
        named = rows.filter(mentions__entity__key=entity_key(about)).order_by().values("pk")
        rows = rows.filter(pk__in=named)
    replaced = Memory.objects.defer("embedding", "words").order_by("-retired_at", "-pk")
    rows = rows.prefetch_related(
        "evidence",
        Prefetch("supersedes", queryset=replaced.prefetch_related("mentions__entity")),
    ).order_by(F("pinned_at").desc(nulls_last=True), "-importance", "-created_at", "-pk")
    grouped = _grouped(rows[:_READ_MAX], moment)
    shown = {group: memories[:lines_max] for group, memories in grouped.items()}
    places = _places(subject_id, (row for memories in shown.values() for row in memories))
    return tuple(
        PortraitSection(
            group=group,
            lines=tuple(_line(row, places) for row in shown[group]),
            more=len(grouped[group]) - len(shown[group]),
        )
        for group in PortraitGroup
        if group in grouped
    )


def _holds(moment: datetime) -> Q:
    over = Q(valid_to__lte=moment) | Q(expires_at__lte=moment)
    event = Q(kind=MemoryKind.EPISODIC, slot="", pinned_at__isnull=True)
    return ~over & (~event | Q(valid_from__gt=moment))


def _grouped(rows: Iterable[Memory], moment: datetime) -> dict[PortraitGroup, list[Memory]]:
    grouped: dict[PortraitGroup, list[Memory]] = {}
    for row in rows:
        sketched = Sketched(
            text=row.text,
            kind=MemoryKind(row.kind),
            slot=row.slot,
            pinned=row.pinned_at is not None,
            names=_names(row),
            begins=row.valid_from,
        )
        group = group_of(sketched, at=moment)
        if group is not None:
            grouped.setdefault(group, []).append(row)
    return grouped


def _names(row: Memory) -> tuple[str, ...]:
    """Return the names that a memory mentions, in the order in which they stand in it."""
    text = row.text.casefold()

    def place(name: str) -> tuple[bool, int, str]:
        found = text.find(name.casefold())
        return found < 0, found, name

    return tuple(sorted((mention.entity.name for mention in row.mentions.all()), key=place))


def _places(subject_id: UUID, rows: Iterable[Memory]) -> dict[UUID, UUID]:
    """Return the conversation that each message stands in, as far as it was kept word for word."""
    wanted = {each.message_id for row in rows for each in row.evidence.all() if each.message_id}
    found = Utterance.objects.filter(subject=subject_id, pk__in=wanted)
    return dict(found.values_list("pk", "conversation_id"))


def _line(row: Memory, places: dict[UUID, UUID]) -> PortraitLine:
    heard = list(row.evidence.all())  # the oldest first
    last = heard[-1] if heard else None
    source = None
    if last is not None:
        known = places.get(last.message_id, row.conversation_id) if last.message_id else None
        source = EvidenceSource(
            message_id=last.message_id,
            speaker=last.speaker,
            quote=last.quote,
            said_at=last.said_at,
            conversation_id=known,
        )
    return PortraitLine(
        memory=memory_view(row),
        about=about_in_words(row.slot, _names(row)),
        attribute=parts_of_slot(row.slot)[1],
        source=source,
        # What was merged into it has no slot: it said the same, and was nothing else before.
        before=tuple(memory_view(old) for old in row.supersedes.all() if old.slot),
    )
