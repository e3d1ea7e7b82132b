"""Changesets: several changes of memories that happen, and are undone, as one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from apps.memory.contracts.memories import MemoryKind, MemoryStatus, MemoryView


class ChangesetKind(StrEnum):
    """What made the changes."""

    EXTRACTION = "extraction"
    CONSOLIDATION = "consolidation"
    LIFE = "life"  # decay, expiry, quotas, retention
    MERGE = "merge"
    IMPORT = "import"


class ChangesetState(StrEnum):
    """Where it stands; a planned one has changed nothing."""

    PLANNED = "planned"
    APPLIED = "applied"
    UNDONE = "undone"


class Became(StrEnum):
    """What becomes of a memory in a changeset."""

    MADE = "made"
    CHANGED = "changed"
    REPLACED = "replaced"
    ARCHIVED = "archived"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A memory that a changeset makes of others.

    Attributes:
        text: What it says; checked as `remember` checks a text.
        importance: 1 to 10.
        confidence: 0 to 1.
        valid_from: Since when it is true.
    """

    text: str
    kind: MemoryKind
    importance: int
    confidence: float
    valid_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Live memories that one other says from now on; they are superseded by it.

    Attributes:
        source_ids: What is superseded.
        into: The live memory that stays, or one that is made.
    """

    source_ids: tuple[UUID, ...]
    into: UUID | NewMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A live memory that is used no more.

    Attributes:
        status: `archived` or `expired`.
        reason: Why, in a word: `decay`, `quota`.
    """

    memory_id: UUID
    status: MemoryStatus
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesetEntryView:
    """What becomes of one memory: the values that change, before and after, times in ISO 8601.

    `before` is empty for a memory that is made. `text` is what it says now; None where it was
    forgotten, or nobody asked.
    """

    memory_id: UUID
    before: Mapping[str, object]
    after: Mapping[str, object]
    text: str | None = None

    @property
    def became(self) -> Became:
        """What became of the memory, in a word."""
        if not self.before:
            return Became.MADE
        if self.after.get("superseded_by_id"):
            return Became.REPLACED
        status = self.after.get("status")
        if status in {MemoryStatus.ARCHIVED, MemoryStatus.EXPIRED} and "status" in self.before:
            return Became(str(status))
        return Became.CHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesetView:
    """What a changeset did, or, `planned`, would do."""

    id: UUID
    kind: ChangesetKind
    state: ChangesetState
    note: str
    entries: tuple[ChangesetEntryView, ...]
    created_at: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedMemories:
    """The outcome of merging by hand: `created` is false where they were merged so already."""

    memory: MemoryView
    changeset: ChangesetView
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesetPage:
    """Some changes, newest first, and where the next page begins; None on the last."""

    changesets: tuple[ChangesetView, ...]
    following: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidied:
    """How many memories Karen put aside by itself lately, and when last; None for never."""

    memories: int
    last_at: datetime | None
