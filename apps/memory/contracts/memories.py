"""Memories: what one is, and how it is seen and changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

TEXT_MAX = 2_000  # characters of one memory; what is longer is a document
IMPORTANCE_MIN, IMPORTANCE_DEFAULT, IMPORTANCE_MAX = 1, 5, 10


class SubjectKind(StrEnum):
    """Whose memory it is: a person's, everybody's in the workspace, a persona's, a conversation's.

    The id of a subject is the id of that thing.
    """

    PERSON = "person"
    WORKSPACE = "workspace"
    AGENT = "agent"
    CONVERSATION = "conversation"


class MemoryKind(StrEnum):
    """What sort of thing is remembered: a fact, something that happened, or how to do something."""

    SEMANTIC = "semantic"
    EPISODIC = "episodic"
    PROCEDURAL = "procedural"


class Namespace(StrEnum):
    """How long a memory is meant to last (seed 000 §3.2)."""

    SHORT_TERM = "short_term"  # consolidated or gone within days
    LONG_TERM = "long_term"
    PERSISTENT = "persistent"  # neither decays nor expires; standing instructions and profile
    EPHEMERAL = "ephemeral"  # gone at `expires_at`


class MemoryStatus(StrEnum):
    """Whether a memory is used.

    `consolidating` is claimed by a consolidation that is running; it is used as an active one is.
    """

    ACTIVE = "active"
    CONSOLIDATING = "consolidating"
    ARCHIVED = "archived"
    EXPIRED = "expired"


class Priority(IntEnum):
    """What is kept longest when there is too much (seed 000 §3.2)."""

    MINIMAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class MemoryOrigin(StrEnum):
    """How a memory came to be."""

    PERSON = "person"  # somebody said "remember", or wrote it into the page
    EXTRACTED = "extracted"  # read in a conversation
    CONSOLIDATED = "consolidated"  # made of several others
    IMPORTED = "imported"


class EntityKind(StrEnum):
    """What a name in a memory names."""

    PERSON = "person"
    PLACE = "place"
    ORGANISATION = "organisation"
    THING = "thing"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """Words that a memory rests on: who said what, when, in which message."""

    message_id: UUID | None
    speaker: str
    quote: str
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryView:
    """A memory as its subject sees it.

    Attributes:
        importance: 1 to 10.
        confidence: 0 to 1.
        pinned: It is in every prompt, as far as pins fit.
        slot: What a single-valued fact is about, such as `self.home`; a newer value supersedes.
        valid_from: Since when it is true; None where nobody said.
        valid_to: Until when it was true; None for what holds still.
        superseded_by: The memory that says what holds now.
        source_message_ids: The messages it was taken from.
        entities: The names it mentions.
        proof_count: How often it was said.
        embedded: It can be found by meaning already, not only by its words.
    """

    id: UUID
    text: str
    kind: MemoryKind
    namespace: Namespace
    origin: MemoryOrigin
    priority: Priority
    importance: int
    confidence: float
    pinned: bool
    status: MemoryStatus
    slot: str
    valid_from: datetime | None
    valid_to: datetime | None
    superseded_by: UUID | None
    expires_at: datetime | None
    source_message_ids: tuple[UUID, ...]
    entities: tuple[str, ...]
    proof_count: int
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
class MemoryChange:
    """What is to change in a memory; None leaves a thing as it is."""

    text: str | None = None
    kind: MemoryKind | None = None
    namespace: Namespace | None = None
    priority: Priority | None = None
    importance: int | None = None
    confidence: float | None = None
    pinned: bool | None = None
    status: MemoryStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How much was erased: memories, messages word for word, names that nobody mentions now."""

    memories: int = 0
    said: int = 0
    entities: int = 0
