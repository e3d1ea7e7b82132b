"""Events of a turn's stream: the same on WebSocket, SSE and every other rendering."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from apps.conversations.contracts.parts import ToolStatus
from apps.core.envelope import ErrorBody


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    attempt: int = Field(ge=0)


class StartEvent(_Event):
    """An attempt began: clients discard what an earlier attempt wrote.

    `text` is what a continued answer said already; `level` is the degradation, 1 to 4.
    """

    kind: Literal["start"] = "start"
    model: str
    text: str = ""
    level: int = 1


class DeltaEvent(_Event):
    """The next piece of the answer."""

    kind: Literal["delta"] = "delta"
    text: str


class ReasoningEvent(_Event):
    """The next piece of the model's thoughts; only where showing them is configured."""

    kind: Literal["reasoning"] = "reasoning"
    text: str


class ToolEvent(_Event):
    """A tool call began or ended; the last event of a `call_id` holds."""

    kind: Literal["tool"] = "tool"
    call_id: str
    name: str
    arguments: str
    status: ToolStatus
    result: str = ""
    ms: int = 0


class SnapshotEvent(_Event):
    """The whole answer so far; replaces what the client has."""

    kind: Literal["snapshot"] = "snapshot"
    text: str


class UsageEvent(_Event):
    """What the answer consumed."""

    kind: Literal["usage"] = "usage"
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


class RetryingEvent(_Event):
    """The attempt's worker died; another attempt follows."""

    kind: Literal["retrying"] = "retrying"


class DoneEvent(_Event):
    """The answer is complete. Terminal."""

    kind: Literal["done"] = "done"
    message_id: UUID
    finish_reason: str


class ErrorEvent(_Event):
    """The answer failed. Terminal."""

    kind: Literal["error"] = "error"
    message_id: UUID
    error: ErrorBody


class CancelledEvent(_Event):
    """Somebody stopped the answer. Terminal."""

    kind: Literal["cancelled"] = "cancelled"
    message_id: UUID


class InterruptedEvent(_Event):
    """The provider's stream was cut; the text so far is kept. Terminal."""

    kind: Literal["interrupted"] = "interrupted"
    message_id: UUID


TurnEvent: TypeAlias = Annotated[
    StartEvent
    | DeltaEvent
    | ReasoningEvent
    | ToolEvent
    | SnapshotEvent
    | UsageEvent
    | RetryingEvent
    | DoneEvent
    | ErrorEvent
    | CancelledEvent
    | InterruptedEvent,
    Field(discriminator="kind"),
]
turn_events: TypeAdapter[TurnEvent] = TypeAdapter(TurnEvent)

TERMINAL_KINDS = frozenset({"done", "error", "cancelled", "interrupted"})
