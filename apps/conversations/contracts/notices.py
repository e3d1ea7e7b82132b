"""Notices to a person: what changed outside the turn that is being followed.

Each carries the whole thing as it is now, so that applying one twice changes nothing, and the
conversation's `version`, so that a late one is recognised: state before + notices = a fresh read.
"""

from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class _Notice(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ConversationChanged(_Notice):
    """A conversation is new or different; `conversation` as REST shows it."""

    kind: Literal["conversation"] = "conversation"
    version: int
    conversation: dict[str, Any]


class ConversationGone(_Notice):
    """A conversation was deleted, or is no longer this person's to see."""

    kind: Literal["conversation_gone"] = "conversation_gone"
    conversation_id: UUID


class MessageChanged(_Notice):
    """A message is new or different; `message` as REST shows it."""

    kind: Literal["message"] = "message"
    version: int
    conversation_id: UUID
    message: dict[str, Any]


class TurnChanged(_Notice):
    """A turn is new or different; `turn` as REST shows it."""

    kind: Literal["turn"] = "turn"
    version: int
    conversation_id: UUID
    turn: dict[str, Any]


class FoldersChanged(_Notice):
    """The person's folders, all of them, as REST shows them."""

    kind: Literal["folders"] = "folders"
    folders: list[dict[str, Any]]


class AttachmentChanged(_Notice):
    """An attachment moved on; `attachment` as REST shows it."""

    kind: Literal["attachment"] = "attachment"
    attachment: dict[str, Any]


Notice: TypeAlias = Annotated[
    ConversationChanged
    | ConversationGone
    | MessageChanged
    | TurnChanged
    | FoldersChanged
    | AttachmentChanged,
    Field(discriminator="kind"),
]
