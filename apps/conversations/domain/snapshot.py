"""The state/event law: what a client shows is a function of the events it saw.

`apply(snapshot(t0), events(t0, t1)) == snapshot(t1)`, whatever was received twice and wherever the
connection was cut. The browser's `turns.js` implements the same function.
"""

from dataclasses import dataclass, replace

from apps.conversations.contracts import (
    CancelledEvent,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    InterruptedEvent,
    ReasoningEvent,
    RetryingEvent,
    SnapshotEvent,
    StartEvent,
    ToolEvent,
    TurnEvent,
    UsageEvent,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSnapshot:
    """An answer as a client shows it.

    Attributes:
        cursor: Id of the last event applied, as (milliseconds, sequence).
        attempt: The attempt the text belongs to.
        text: What is shown.
        reasoning: The thoughts that are shown apart.
        tools: The calls in order of their first event, each as (call id, status).
        state: `waiting`, `streaming`, `retrying`, or the kind of the terminal event.
    """

    cursor: tuple[int, int] = (0, 0)
    attempt: int = 0
    text: str = ""
    reasoning: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    state: str = "waiting"


_TERMINAL = ("done", "error", "cancelled", "interrupted")


def apply(snapshot: AnswerSnapshot, event_id: tuple[int, int], event: TurnEvent) -> AnswerSnapshot:
    """Return `snapshot` after `event`.

    An event seen before, or of an older attempt, changes nothing.
    """
    if event_id <= snapshot.cursor or snapshot.state in _TERMINAL:
        return snapshot
    moved = replace(snapshot, cursor=event_id)
    if event.attempt < snapshot.attempt:
        return moved
    if event.attempt > snapshot.attempt:
        moved = replace(moved, attempt=event.attempt, text="", reasoning="", tools=())
    match event:
        case StartEvent():
            changed = replace(moved, text=event.text, reasoning="", tools=(), state="streaming")
        case DeltaEvent():
            changed = replace(moved, text=moved.text + event.text, state="streaming")
        case ReasoningEvent():
            changed = replace(moved, reasoning=moved.reasoning + event.text, state="streaming")
        case ToolEvent():
            changed = replace(moved, tools=_with_call(moved.tools, event), state="streaming")
        case SnapshotEvent():
            changed = replace(moved, text=event.text, state="streaming")
        case UsageEvent():
            changed = moved
        case RetryingEvent():
            changed = replace(moved, state="retrying")
        case DoneEvent() | ErrorEvent() | CancelledEvent() | InterruptedEvent():
            changed = replace(moved, state=event.kind)
    return changed


def _with_call(calls: tuple[tuple[str, str], ...], event: ToolEvent) -> tuple[tuple[str, str], ...]:
    statuses = dict(calls)
    statuses[event.call_id] = event.status
    return tuple(statuses.items())
