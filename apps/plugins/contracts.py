"""What crosses the border of `apps.plugins`: tools, their context, what they return."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from apps.core.scope import Actor, TenantRef

TOOL_CALLED = "tool.called"  # the audit action of a call
DEFAULT_TIMEOUT_S = 10.0
DEFAULT_PER_MINUTE = 60
DEFAULT_MAX_CHARACTERS = 16_000


class Arguments(BaseModel):
    """Base of every tool's arguments: what the model invents beyond them is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ToolError(StrEnum):
    """How a call failed.

    Attributes:
        RETRY: The model can mend it: the text says how.
        FAILED: It cannot: the text says what to tell the person.
    """

    RETRY = "retry"
    FAILED = "failed"


class ToolStatus(StrEnum):
    """How a call ended; the label of metrics and traces."""

    OK = "ok"
    RETRY = "retry"
    FAILED = "failed"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    LIMITED = "limited"
    TIMEOUT = "timeout"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """For whom and where a tool is called.

    Attributes:
        tenant: The workspace; it is in scope while the tool runs.
        actor: The person in whose name it runs; in scope as well.
        conversation_id: The conversation that the call belongs to.
        turn_id: The turn.
        now: The moment of the call. Tools that need the time take this one.
    """

    tenant: TenantRef
    actor: Actor
    conversation_id: UUID
    turn_id: UUID
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool returns.

    Attributes:
        text: For the model: short, complete, in words it can quote.
        data: The same for programs and the user interface; JSON values only.
        error: Set when the call failed; `text` then says what to do about it.
    """

    text: str
    data: Mapping[str, object] = field(default_factory=dict)
    error: ToolError | None = None


Run: TypeAlias = Callable[[ToolContext, Any], ToolResult | Awaitable[ToolResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something the model may call.

    Attributes:
        name: What the model calls it: lower case, digits, underscores.
        title: What people call it.
        description: When to use it and what it returns, for the model.
        parameters: Its arguments; the JSON schema comes from it.
        run: The work. A coroutine function runs on the event loop and must not block; a plain
            function runs on the bounded executor for blocking work.
        permission: What the actor must hold.
        side_effects: It changes something: a repeated attempt never runs it again silently.
        timeout_s: Seconds until the call is given up.
        per_minute: Most calls of one person within a minute.
        max_characters: Longest text given to the model; the rest is cut and said to be cut.
    """

    name: str
    title: str
    description: str
    parameters: type[BaseModel]
    run: Run
    permission: str
    side_effects: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    per_minute: int = DEFAULT_PER_MINUTE
    max_characters: int = DEFAULT_MAX_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """A finished call: what it returned, how it ended, and how long it took in milliseconds."""

    tool: str
    status: ToolStatus
    result: ToolResult
    ms: int
