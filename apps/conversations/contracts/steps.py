"""The trace of a turn, as its people and the next attempt read it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step of a turn.

    Attributes:
        attempt: The attempt it belongs to, from 1.
        seq: Its place in the attempt, from 0.
        kind: What happened: `claimed`, `instructions`, `context`, `route`, `model_call`,
            `tool_call`, `retry`, `fallback`, `degraded`, `settled`.
        detail: What was decided and why.
        ms: Milliseconds it took.
    """

    attempt: int
    seq: int
    kind: str
    started_at: datetime
    ms: int
    correlation_id: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A tool call of an earlier attempt.

    Attributes:
        completed: It ended well; `result` is what it returned.
        uncertain: It may have changed something, and nobody knows whether it did.
    """

    completed: bool
    uncertain: bool
    result: str
