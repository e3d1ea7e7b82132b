"""Frames a client sends over the chat socket."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from apps.conversations.contracts.requests import AnswerAgain, ContinueAnswer, NewMessage

_EVENT_ID = r"^[0-9]{1,15}-[0-9]{1,15}$"


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class MessageFrame(NewMessage):
    """Send a message; without `conversation_id` it starts a conversation."""

    type: Literal["message"]
    ref: str = Field(default="", max_length=64)


class RegenerateFrame(AnswerAgain):
    """Ask for another answer on a new branch."""

    type: Literal["regenerate"]
    ref: str = Field(default="", max_length=64)


class ContinueFrame(ContinueAnswer):
    """Ask for the rest of an answer."""

    type: Literal["continue"]
    ref: str = Field(default="", max_length=64)


class WatchFrame(_Frame):
    """Receive the events of a turn after the last one seen."""

    type: Literal["watch"]
    turn_id: UUID
    after: str | None = Field(default=None, pattern=_EVENT_ID)


class FollowFrame(_Frame):
    """Receive the notices meant for this person after the last one seen; null for new ones only."""

    type: Literal["follow"]
    after: str | None = Field(default=None, pattern=_EVENT_ID)


class FocusFrame(_Frame):
    """Say which conversation is open in this tab; null for none."""

    type: Literal["focus"]
    conversation_id: UUID | None = None


class TypingFrame(_Frame):
    """Say that this person is writing in a conversation."""

    type: Literal["typing"]
    conversation_id: UUID


class StopFrame(_Frame):
    """Stop a turn; what was written so far is kept."""

    type: Literal["stop"]
    ref: str = Field(default="", max_length=64)
    turn_id: UUID


class AckFrame(_Frame):
    """Say up to which event of a turn the client has applied."""

    type: Literal["ack"]
    turn_id: UUID
    id: str = Field(pattern=_EVENT_ID)


class PingFrame(_Frame):
    """Ask whether the connection lives."""

    type: Literal["ping"]


ClientFrame: TypeAlias = Annotated[
    MessageFrame
    | RegenerateFrame
    | ContinueFrame
    | WatchFrame
    | FollowFrame
    | FocusFrame
    | TypingFrame
    | StopFrame
    | AckFrame
    | PingFrame,
    Field(discriminator="type"),
]
client_frames: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)
