"""Recall: what is found, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from apps.memory.contracts.memories import MemoryKind, Namespace


class RecalledKind(StrEnum):
    """What was recalled: a memory, or what was said word for word."""

    MEMORY = "memory"
    SAID = "said"


class Signal(StrEnum):
    """A reason to recall something."""

    WORDS = "words"  # with those of the neighbouring turns
    MEANING = "meaning"
    SPEAKER = "speaker"
    TIME = "time"
    FORM = "form"  # long enough, not a question, said by the person
    RECENCY = "recency"
    IMPORTANCE = "importance"
    USE = "use"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalShare:
    """How much of a score a signal gave; negative where it spoke against."""

    signal: Signal
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallFilters:
    """What may be recalled at all.

    Attributes:
        kinds: Memories of these kinds only; empty for all.
        namespaces: Memories of these namespaces only; empty for all.
        conversation_id: What was said in, and memories taken from, this conversation only.
        since: Said or true from then on.
        until: Said or true until then.
        with_said: Word for word turns are recalled as well, not memories alone.
        with_memories: Memories are recalled as well, not word for word turns alone.
        except_conversation_id: Nothing that was said in this conversation; what was learnt from it
            may be recalled.
    """

    kinds: frozenset[MemoryKind] = frozenset()
    namespaces: frozenset[Namespace] = frozenset()
    conversation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    with_said: bool = True
    with_memories: bool = True
    except_conversation_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledMemory:
    """Something that was recalled.

    Attributes:
        id: Of the memory, or of the message that was said.
        score: Comparable within one recall only; higher is better.
        signals: What made the score, the greatest share first.
        why: The same in words, such as `meaning +0.62, words +0.30`.
        source_message_ids: The messages it rests on; what was said rests on itself.
        said_at: When it was said, or learnt.
    """

    kind: RecalledKind = RecalledKind.MEMORY
    id: UUID
    text: str
    score: float
    why: str
    signals: tuple[SignalShare, ...] = ()
    speaker: str = ""
    said_at: datetime | None = None
    conversation_id: UUID | None = None
    source_message_ids: tuple[UUID, ...] = ()
