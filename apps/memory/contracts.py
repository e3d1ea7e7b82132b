"""What crosses the border of `apps.memory`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

TEXT_MAX = 2_000  # characters of one memory; what is longer is a document
IMPORTANCE_MIN, IMPORTANCE_DEFAULT, IMPORTANCE_MAX = 1, 5, 10


class MemoryKind(StrEnum):
    """What sort of thing is remembered: a fact, something that happened, or how to do something."""

    SEMANTIC = "semantic"
    EPISODIC = "episodic"
    PROCEDURAL = "procedural"


class MemoryStatus(StrEnum):
    """Whether a memory is used."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class Signal(StrEnum):
    """A way of finding memories."""

    WORDS = "words"
    MEANING = "meaning"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryView:
    """A memory as its subject sees it.

    Attributes:
        importance: 1 to 10.
        confidence: 0 to 1.
        pinned: It is in every prompt, as far as pins fit.
        source_message_ids: The messages it was taken from.
        embedded: It can be found by meaning already, not only by its words.
    """

    id: UUID
    text: str
    kind: MemoryKind
    importance: int
    confidence: float
    pinned: bool
    status: MemoryStatus
    source_message_ids: tuple[UUID, ...]
    embedded: bool
    use_count: int
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The outcome of `remember`: `created` is false where the same was remembered already."""

    memory: MemoryView
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledMemory:
    """Something that was recalled.

    Attributes:
        score: Comparable within one recall only; higher is better.
        why: The signals that found it with their ranks, such as `words 1, meaning 3`.
    """

    id: UUID
    text: str
    score: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """What is to change in a memory; None leaves a thing as it is."""

    text: str | None = None
    kind: MemoryKind | None = None
    importance: int | None = None
    confidence: float | None = None
    pinned: bool | None = None
    status: MemoryStatus | None = None
