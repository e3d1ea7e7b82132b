"""The states of a turn and of an answer.

queued → running → completed | failed | cancelled | interrupted; `retrying` between attempts.
"""

from apps.conversations.contracts import MessageStatus, TurnState

MAX_ATTEMPTS = 3


WAITING = frozenset({TurnState.QUEUED, TurnState.RETRYING})
ACTIVE = WAITING | {TurnState.RUNNING}
TERMINAL = frozenset(TurnState) - ACTIVE

_NEXT: dict[TurnState, frozenset[TurnState]] = {
    TurnState.QUEUED: frozenset({TurnState.RUNNING, TurnState.CANCELLED, TurnState.FAILED}),
    TurnState.RETRYING: frozenset({TurnState.RUNNING, TurnState.CANCELLED, TurnState.FAILED}),
    TurnState.RUNNING: TERMINAL | {TurnState.RETRYING},
    **{state: frozenset() for state in TERMINAL},
}


def can_become(present: TurnState, wanted: TurnState) -> bool:
    """Say whether a turn may go from `present` to `wanted`."""
    return wanted in _NEXT[present]


def answer_status(state: TurnState) -> MessageStatus:
    """Return the status of the answer of a turn in `state`."""
    if state in ACTIVE:
        return MessageStatus.STREAMING
    if state is TurnState.COMPLETED:
        return MessageStatus.COMPLETE
    return MessageStatus(state.value)
