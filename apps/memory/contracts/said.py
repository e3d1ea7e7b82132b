"""What was said: the raw material of memory."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What learning from messages changed.

    Attributes:
        created: New memories, those of the past included.
        proven: Times that something known was said again.
        superseded: Memories of which another took the place.
        refused: What was not kept because memory is full, and nothing in it is weaker.
    """

    created: int = 0
    proven: int = 0
    superseded: int = 0
    refused: int = 0

    def __add__(self, other: "Learnt") -> "Learnt":
        return Learnt(
            created=self.created + other.created,
            proven=self.proven + other.proven,
            superseded=self.superseded + other.superseded,
            refused=self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message, handed to memory by whoever keeps conversations.

    Attributes:
        message_id: Idempotency: the same message is taken in once.
        speaker: Who said it, by name; empty for the subject where no name is known.
        by_assistant: The assistant said it: found less readily, and no source of facts.
        text: What was said.
        said_at: When.
    """

    message_id: UUID
    conversation_id: UUID
    speaker: str
    by_assistant: bool
    text: str
    said_at: datetime
