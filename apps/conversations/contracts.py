"""Shapes of the chat: what edges pass in, what the pipeline passes on, what clients receive.

One source for WebSocket, REST and the event stream. Evolution is additive: fields are added with
defaults, never renamed or removed; clients ignore what they do not know.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from apps.core.envelope import ErrorBody
from apps.core.scope import TenantRef
from apps.providers.contracts import ChatMessage, Role

PROTOCOL_VERSION = 1

ClientMessageId: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")
]


class TurnState(StrEnum):
    """Where a turn is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class MessageStatus(StrEnum):
    """Whether a message's text is final, and how it became so."""

    COMPLETE = "complete"
    STREAMING = "streaming"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


# -- what services return


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAccepted:
    """A message was stored and its turn queued; `created` is false for a repeat."""

    conversation_id: UUID
    message_id: UUID
    turn_id: UUID
    attempt: int
    created: bool
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """A turn as its owner sees it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationView:
    """A conversation as its owner sees it."""

    id: UUID
    title: str
    model: str
    created_at: datetime
    updated_at: datetime
    active_turn_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message as its owner sees it."""

    id: UUID
    parent_id: UUID | None
    role: Role
    text: str
    status: MessageStatus
    turn_id: UUID | None
    model: str
    created_at: datetime
    error: ErrorBody | None


# -- what the stages pass on


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTurn:
    """A turn that this worker holds, with what it needs to answer.

    `history` ends with the user's message.
    """

    turn_id: UUID
    conversation_id: UUID
    answer_id: UUID
    attempt: int
    owner: str
    model: str
    tenant: TenantRef
    history: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is asked: the messages that fit, and how many older ones were left out."""

    messages: tuple[ChatMessage, ...]
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOutcome:
    """How an attempt ended."""

    state: TurnState
    text: str
    finish_reason: str = ""
    error: ErrorBody | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usage_estimated: bool = False


# -- frames a client sends


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class MessageFrame(_Frame):
    """Send a message; without `conversation_id` it starts a conversation."""

    type: Literal["message"]
    ref: str = Field(default="", max_length=64)
    conversation_id: UUID | None = None
    client_message_id: ClientMessageId
    text: str
    model: str | None = Field(default=None, max_length=100)


class WatchFrame(_Frame):
    """Receive the events of a turn after the last one seen."""

    type: Literal["watch"]
    turn_id: UUID
    after: str | None = Field(default=None, pattern=r"^[0-9]{1,15}-[0-9]{1,15}$")


class StopFrame(_Frame):
    """Stop a turn; what was written so far is kept."""

    type: Literal["stop"]
    ref: str = Field(default="", max_length=64)
    turn_id: UUID


class AckFrame(_Frame):
    """Say up to which event of a turn the client has applied."""

    type: Literal["ack"]
    turn_id: UUID
    id: str = Field(pattern=r"^[0-9]{1,15}-[0-9]{1,15}$")


class PingFrame(_Frame):
    """Ask whether the connection lives."""

    type: Literal["ping"]


ClientFrame: TypeAlias = Annotated[
    MessageFrame | WatchFrame | StopFrame | AckFrame | PingFrame, Field(discriminator="type")
]
client_frames: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)


# -- events of a turn's stream


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)
    attempt: int = Field(ge=0)


class StartEvent(_Event):
    """An attempt began: clients discard what an earlier attempt wrote."""

    kind: Literal["start"] = "start"
    model: str


class DeltaEvent(_Event):
    """The next piece of the answer."""

    kind: Literal["delta"] = "delta"
    text: str


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
