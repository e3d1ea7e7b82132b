"""What people are shown of their memories: chosen, explained, as they were, and how they hang."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.memory.contracts.memories import (
    EntityKind,
    EvidenceView,
    MemoryKind,
    MemoryStatus,
    MemoryView,
    Namespace,
)
from apps.memory.contracts.recall import RecalledKind


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuery:
    """Which memories somebody wants to see.

    Attributes:
        kinds: Of these kinds only; empty for all.
        namespaces: Of these namespaces only; empty for all.
        statuses: In these states only; empty for all.
        pinned: Only those pinned, or only those not; None for both.
        text: Words that a memory has, all of them; empty for any.
        entity: The name of a person, place or thing that it mentions; empty for any.
        since: Learnt from then on.
        until: Learnt before then.
        superseded: Those as well that a newer one replaced.
        as_of: What was believed then; None for now.
    """

    kinds: frozenset[MemoryKind] = frozenset()
    namespaces: frozenset[Namespace] = frozenset()
    statuses: frozenset[MemoryStatus] = frozenset()
    pinned: bool | None = None
    text: str = ""
    entity: str = ""
    since: datetime | None = None
    until: datetime | None = None
    superseded: bool = False
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPage:
    """Some memories, newest first, and where the next page begins; empty on the last."""

    memories: tuple[MemoryView, ...]
    following: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """What a memory was before a change; `before` has the values that changed, by field."""

    number: int
    before: Mapping[str, object]
    reason: str
    by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryHistory:
    """How a memory changed: its versions, newest first, what it replaced and what replaced it."""

    memory: MemoryView
    versions: tuple[VersionView, ...]
    supersedes: tuple[MemoryView, ...]
    superseded_by: MemoryView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSource(EvidenceView):
    """Words that a memory rests on, and the conversation they stand in, where that is known."""

    conversation_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReasons:
    """Why a memory is believed.

    Attributes:
        evidence: What it rests on, oldest first.
        conversation_id: The conversation it was taken from.
        learnt_at: Since when it is believed.
        supersedes: What it replaced.
    """

    memory: MemoryView
    evidence: tuple[EvidenceSource, ...]
    conversation_id: UUID | None
    learnt_at: datetime
    supersedes: tuple[MemoryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityView:
    """A name in somebody's memories, and how many that are in use mention it."""

    id: UUID
    name: str
    kind: EntityKind
    memories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityLink:
    """Two names that stand in the same memories, and in how many."""

    source: UUID
    target: UUID
    memories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityGraph:
    """The names that are mentioned most, and which of them go together."""

    entities: tuple[EntityView, ...]
    links: tuple[EntityLink, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledSource:
    """What became of something that was recalled once: its text now, and where it stands."""

    kind: RecalledKind
    text: str
    conversation_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCounts:
    """How much is known of somebody: memories in use and pinned, messages, names.

    Attributes:
        is_full: Nothing more is kept until something is forgotten or archived.
    """

    memories: int
    pinned: int
    said: int
    entities: int
    is_full: bool = False
