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
    RetryingEvent,
    SnapshotEvent,
    StartEvent,
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
        state: `waiting`, `streaming`, `retrying`, or the kind of the terminal event.
    """

    cursor: tuple[int, int] = (0, 0)
    attempt: int = 0
    text: str = ""
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
        moved = replace(moved, attempt=event.attempt, text="")
    match event:
        case StartEvent():
            changed = replace(moved, text="", state="streaming")
        case DeltaEvent():
            changed = replace(moved, text=moved.text + event.text, state="streaming")
        case SnapshotEvent():
            changed = replace(moved, text=event.text, state="streaming")
        case UsageEvent():
            changed = moved
        case RetryingEvent():
            changed = replace(moved, state="retrying")
        case DoneEvent() | ErrorEvent() | CancelledEvent() | InterruptedEvent():
            changed = replace(moved, state=event.kind)
    return changed
