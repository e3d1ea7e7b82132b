"""What the stages of a turn pass on to each other, inside one worker."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from apps.conversations.contracts.parts import MessagePart
from apps.conversations.contracts.states import Mode, TurnKind, TurnState
from apps.core.envelope import ErrorBody
from apps.core.scope import TenantRef
from apps.providers.contracts import ChatMessage, Role


class TurnSettings(BaseModel):
    """What was configured when the turn was queued; every attempt uses the same.

    Attributes:
        temperature: None for the installation's default.
        sensitive: Somebody marked the conversation.
        personal: Personal data was found, where a rule of routing goes by that.
        tools: Names of the allowed tools; None for all that the person may use.
        permissions: What the requester might do when they asked; None where that is not known.
        persona_name: What the persona was called when the turn was queued.
        persona_instruction: What it was told then; a later edit changes no queued turn.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    mode: Mode = Mode.DEFAULT
    persona: str = ""
    persona_name: str = ""
    persona_instruction: str = ""
    system_instruction: str = ""
    temperature: float | None = None
    memory_enabled: bool = True
    show_reasoning: bool = False
    sensitive: bool = False
    personal: bool = False
    tools: tuple[str, ...] | None = None
    permissions: tuple[str, ...] | None = None

    @property
    def is_sensitive(self) -> bool:
        """Whether only trusted models, and those of this installation, may be asked."""
        return self.sensitive or self.personal


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchMessage:
    """One message of the branch that a turn answers."""

    id: UUID
    role: Role
    text: str
    parts: tuple[MessagePart, ...] = ()
    pinned: bool = False
    author_id: UUID | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTurn:
    """A turn that this worker holds, with what it needs to answer.

    Attributes:
        history: The branch, oldest first; it ends with the message to be answered.
        prefix: What an interrupted answer said already; the turn continues it.
        requester_id: Who asked.
        shared: Others than the owner read the answer.
        level: Degradation that an earlier attempt decided on, 1 to 4.
    """

    turn_id: UUID
    conversation_id: UUID
    answer_id: UUID
    attempt: int
    owner: str
    model: str
    tenant: TenantRef
    history: tuple[BranchMessage, ...]
    settings: TurnSettings = field(default_factory=TurnSettings)
    kind: TurnKind = TurnKind.ANSWER
    prefix: str = ""
    requester_id: UUID | None = None
    temporary: bool = False
    shared: bool = False
    level: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is asked: the messages that fit, and how many older ones were left out.

    Attributes:
        tokens: Tokens of all messages, as the model's tokenizer counts or as estimated.
        context: The explanation kept with the turn: what was taken, what was cut, and why.
    """

    messages: tuple[ChatMessage, ...]
    dropped: int
    tokens: int = 0
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOutcome:
    """How an attempt ended.

    Attributes:
        parts: The whole content in order; empty when `text` is all there is.
        level: Degradation, 1 (everything) to 4 (no model).
        model: The model that answered, where another than the asked one did.
        context: `Prompt.context` of the prompt that was answered.
    """

    state: TurnState
    text: str
    finish_reason: str = ""
    error: ErrorBody | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usage_estimated: bool = False
    parts: tuple[MessagePart, ...] = ()
    level: int = 1
    model: str = ""
    context: dict[str, Any] | None = None
