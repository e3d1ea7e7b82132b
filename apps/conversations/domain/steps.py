"""What a turn's trace is made of. Pure."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_TEXT = 16_000
MAX_ITEMS = 50
_MAX_DEPTH = 4


class StepKind(StrEnum):
    """What happened in one step of a turn."""

    CLAIMED = "claimed"
    INSTRUCTIONS = "instructions"
    CONTEXT = "context"
    ROUTE = "route"
    MODEL_CALL = "model_call"
    TOOL_CALL = "tool_call"
    RETRY = "retry"
    FALLBACK = "fallback"
    DEGRADED = "degraded"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of one attempt.

    Attributes:
        seq: Its place in the attempt, from 0.
        kind: What happened.
        detail: What was decided and why; bounded JSON values without secrets.
        started_at: When it began.
        ms: How long it took, in milliseconds.
        key: For tool calls: which call it was (`call_key`); empty otherwise.
    """

    seq: int
    kind: StepKind
    started_at: datetime
    ms: int
    detail: dict[str, Any] = field(default_factory=dict)
    key: str = ""


def call_key(name: str, arguments: str) -> str:
    """Return what identifies a call: the same tool with the same arguments, however spelled."""
    try:
        arguments = json.dumps(json.loads(arguments), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        arguments = arguments.strip()
    return hashlib.sha256(f"{name}\n{arguments}".encode()).hexdigest()


def bounded(value: object, *, depth: int = 0) -> Any:  # noqa: ANN401  # JSON of any shape
    """Return `value` as JSON values of a bounded size; texts are cut at `MAX_TEXT`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH and isinstance(value, dict):
        pairs = list(value.items())[:MAX_ITEMS]
        return {str(key)[:100]: bounded(item, depth=depth + 1) for key, item in pairs}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [bounded(item, depth=depth + 1) for item in list(value)[:MAX_ITEMS]]
    text = str(value).replace("\x00", "")
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
