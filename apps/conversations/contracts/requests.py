"""What an edge asks the hub for; parsed from JSON bodies and frames alike."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from apps.conversations.contracts.states import Delivery, Mode

ClientMessageId: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]+$")
]
ModelId: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]

MODELS_AT_ONCE = 4
ATTACHMENTS_PER_MESSAGE = 10


class ConversationOptions(BaseModel):
    """How a conversation is configured; a field that is absent stays as it is.

    Attributes:
        temperature: 0 to 2; null for the default of the installation.
        sensitive: Only models that are trusted, or that run here, answer.
        tools: Names of the tools that may be used; null for all that the person may use.
        temporary: Only at its start: nothing of the conversation outlives it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str | None = Field(default=None, max_length=200)
    model: str | None = Field(default=None, max_length=100)
    persona: str | None = Field(default=None, max_length=64)
    mode: Mode | None = None
    system_instruction: str | None = Field(default=None, max_length=8000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    memory_enabled: bool | None = None
    show_reasoning: bool | None = None
    sensitive: bool | None = None
    tools: tuple[Annotated[str, Field(max_length=64)], ...] | None = Field(
        default=None, max_length=50
    )
    folder_id: UUID | None = None
    tags: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] | None = Field(
        default=None, max_length=20
    )
    pinned: bool | None = None
    archived: bool | None = None
    temporary: bool | None = None


class NewMessage(BaseModel):
    """A message to send.

    Attributes:
        conversation_id: None starts a conversation.
        client_message_id: The sender's own id: the same one again returns the first result.
        model: The model for this answer; None for the conversation's.
        models: Several models that answer side by side, at most `MODELS_AT_ONCE`.
        parent_id: The message this one follows; None for the end of the branch that is shown.
        edit_of: A user's message that this one replaces on a new branch.
        attachments: Ids of uploaded files.
        delivery: What happens while an answer is being written.
        options: How a new conversation is configured; ignored for an existing one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    conversation_id: UUID | None = None
    client_message_id: ClientMessageId
    text: str
    model: ModelId | None = None
    models: tuple[ModelId, ...] = Field(default=(), max_length=MODELS_AT_ONCE)
    parent_id: UUID | None = None
    edit_of: UUID | None = None
    attachments: tuple[UUID, ...] = Field(default=(), max_length=ATTACHMENTS_PER_MESSAGE)
    delivery: Delivery = Delivery.QUEUE
    options: ConversationOptions | None = None

    @property
    def conversation_key(self) -> str:
        """What makes two messages without `conversation_id` begin one conversation only."""
        return self.client_message_id


class ThreadMessage(NewMessage):
    """A message to a conversation that the client names by a key of its own.

    Attributes:
        thread_key: The key, unique among the sender's own: the first message with it begins a
            conversation, later ones go on with it.
    """

    thread_key: str = Field(min_length=1, max_length=64)

    @property
    @override
    def conversation_key(self) -> str:
        return self.thread_key


class SaidBefore(BaseModel):
    """One message of a transcript that a client brings along."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["user", "assistant"]
    text: str


class Transcript(BaseModel):
    """A conversation that the client keeps: what was said, and the message to answer now."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    before: tuple[SaidBefore, ...] = ()
    text: str
    client_message_id: ClientMessageId
    options: ConversationOptions | None = None


class AnswerAgain(BaseModel):
    """Ask for another answer to the same message.

    Attributes:
        message_id: The answer to replace on a new branch, or the user's message itself.
        client_message_id: The sender's own id of this request, as for a message.
        model: Another model; None for the one that answered.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    message_id: UUID
    client_message_id: ClientMessageId
    model: ModelId | None = None


class ContinueAnswer(BaseModel):
    """Ask for the rest of an answer that was stopped, cut or too long."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    message_id: UUID
    client_message_id: ClientMessageId
