"""Which memories stand in every prompt, and in which order. Pure.

Each is in one part at most: what is pinned, because the person said so; else how they want to be
answered; else who they are. Equal memories give equal parts, whatever order they come in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.memory.contracts import MemoryKind, MemoryOrigin
from apps.memory.domain.slots import SELF
from apps.memory.domain.standing import is_standing

_OWN = f"{SELF}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What decides about a live memory.

    Attributes:
        id: Of version 7: it sorts by when the memory was learnt.
        holds: It is true now, as far as anybody said.
    """

    id: UUID
    text: str
    kind: MemoryKind
    origin: MemoryOrigin
    slot: str
    importance: int
    confidence: float
    pinned_at: datetime | None = None
    holds: bool = True
    source_message_ids: tuple[UUID, ...] = ()

    @property
    def weight(self) -> float:
        """How much it matters, and how sure it is."""
        return self.importance * self.confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Memories by what they do in every prompt, in the order in which they go there."""

    pinned: tuple[Known, ...]
    standing: tuple[Known, ...]
    facts: tuple[Known, ...]


def parts_of(known: Iterable[Known]) -> Parts:
    """Return what stands in every prompt; what is in no part has to be searched for."""
    pinned, standing, facts = [], [], []
    for each in known:
        if each.pinned_at is not None:
            pinned.append(each)
        elif not each.holds:
            continue
        elif _is_followed(each):
            standing.append(each)
        elif each.kind is MemoryKind.SEMANTIC and each.slot:
            facts.append(each)
    return Parts(
        pinned=tuple(sorted(pinned, key=lambda each: (each.pinned_at, each.id))),
        standing=_weightiest(standing),
        facts=_weightiest(facts),
    )


def in_time(known: Iterable[Known]) -> tuple[Known, ...]:
    """Return memories in the order in which they were learnt."""
    return tuple(sorted(known, key=lambda each: each.id))


def _is_followed(each: Known) -> bool:
    """Say whether a memory is an order that the person gave.

    What was brought along from elsewhere is data, whatever it says, and so is what only tells how
    something is done.
    """
    imported = each.origin is MemoryOrigin.IMPORTED
    return each.kind is MemoryKind.PROCEDURAL and not imported and is_standing(each.text)


def _weightiest(known: Sequence[Known]) -> tuple[Known, ...]:
    # Of equal weight, what is about the person comes before what is about people they know.
    return tuple(
        sorted(known, key=lambda each: (-each.weight, not each.slot.startswith(_OWN), each.id))
    )
