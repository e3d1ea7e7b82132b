"""The ordered content of a message; stored as JSON, one dictionary per part."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

ToolStatus: TypeAlias = Literal["running", "completed", "failed", "refused"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TextPart(_Part):
    """Text that everybody sees."""

    type: Literal["text"] = "text"
    text: str


class ReasoningPart(_Part):
    """What the model thought before it answered; shown only where that is configured."""

    type: Literal["reasoning"] = "reasoning"
    text: str


class ToolPart(_Part):
    """One call of a tool: `arguments` is the JSON text of the model, `ms` how long it took."""

    type: Literal["tool"] = "tool"
    call_id: str
    name: str
    arguments: str = "{}"
    status: ToolStatus
    result: str = ""
    ms: int = 0


class AttachmentPart(_Part):
    """A file sent along; `size` in bytes."""

    type: Literal["attachment"] = "attachment"
    attachment_id: UUID
    name: str
    media_type: str
    size: int


MessagePart: TypeAlias = Annotated[
    TextPart | ReasoningPart | ToolPart | AttachmentPart, Field(discriminator="type")
]
message_parts: TypeAdapter[tuple[MessagePart, ...]] = TypeAdapter(tuple[MessagePart, ...])


def text_of(stored: Iterable[Mapping[str, object]]) -> str:
    """Return the visible text of stored parts, in order."""
    return "".join(str(part["text"]) for part in stored if part.get("type") == "text")
