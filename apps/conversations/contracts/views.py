"""What services and selectors return to edges."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.conversations.contracts.parts import MessagePart
from apps.conversations.contracts.states import (
    MessageKind,
    MessageStatus,
    Mode,
    TurnKind,
    TurnState,
)
from apps.core.envelope import ErrorBody
from apps.providers.contracts import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAccepted:
    """A message was stored and its turn queued; `created` is false for a repeat.

    Attributes:
        turn_ids: Every turn that the message started: several where several models were asked.
    """

    conversation_id: UUID
    message_id: UUID
    turn_id: UUID
    attempt: int
    created: bool
    title: str
    turn_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """A turn as those who may read its conversation see it.

    Attributes:
        level: Degradation, 1 (everything) to 4 (no model).
        blocked_by: The turn that has to end first, while this one waits for it.
    """

    id: UUID
    conversation_id: UUID
    message_id: UUID
    answer_id: UUID
    state: TurnState
    attempt: int
    model: str
    finish_reason: str
    error: ErrorBody | None
    prompt_tokens: int | None
    completion_tokens: int | None
    usage_estimated: bool
    created_at: datetime
    finished_at: datetime | None
    kind: TurnKind = TurnKind.ANSWER
    level: int = 1
    blocked_by: UUID | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationView:
    """A conversation as its owner or a participant sees it.

    Attributes:
        version: Grows with every change of the conversation or anything in it; a notice with a
            version that is not higher than the known one brings nothing new.
        leaf_id: The last message of the branch that is shown.
        sensitive: Only models that are trusted, or that run here, answer.
        tools: Names of the tools the assistant may use here; None for all that the person may use.
        owner_id: Who started it and alone may delete or share it.
    """

    id: UUID
    title: str
    model: str
    created_at: datetime
    updated_at: datetime
    active_turn_id: UUID | None
    owner_id: UUID | None = None
    version: int = 0
    leaf_id: UUID | None = None
    persona: str = ""
    mode: Mode = Mode.DEFAULT
    system_instruction: str = ""
    temperature: float | None = None
    memory_enabled: bool = True
    show_reasoning: bool = False
    sensitive: bool = False
    tools: tuple[str, ...] | None = None
    folder_id: UUID | None = None
    tags: tuple[str, ...] = ()
    pinned: bool = False
    archived: bool = False
    temporary: bool = False
    participants: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackView:
    """What the viewer thought of an answer: `rating` is 1 or -1."""

    rating: int
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message as one viewer sees it; `text` is its visible text, `parts` everything in order.

    Attributes:
        memories_used: How many things that are remembered went into this answer.
    """

    id: UUID
    parent_id: UUID | None
    role: Role
    text: str
    status: MessageStatus
    turn_id: UUID | None
    model: str
    created_at: datetime
    error: ErrorBody | None
    conversation_id: UUID | None = None
    parts: tuple[MessagePart, ...] = ()
    kind: MessageKind = MessageKind.CHAT
    author_id: UUID | None = None
    pinned: bool = False
    feedback: FeedbackView | None = None
    memories_used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderView:
    """A person's folder of conversations."""

    id: UUID
    name: str
    position: int
    created_at: datetime
