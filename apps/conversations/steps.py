"""Reading the steps of turns: the trace for people, the ledger for the next attempt."""

from uuid import UUID

from apps.conversations.contracts import ClaimedTurn, LedgerEntry, StepView
from apps.conversations.domain.steps import StepKind
from apps.conversations.models.steps import TurnStep
from apps.conversations.selectors import access_turn
from apps.core.scope import Actor

_UNCERTAIN = frozenset({"begun", "timeout", "broken"})


def list_turn_steps(*, actor: Actor, turn_id: UUID, permission: str) -> list[StepView]:
    """Return the trace of a turn that the actor may see, attempt by attempt.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist, or is not the actor's to see.
    """
    turn = access_turn(actor=actor, turn_id=turn_id, permission=permission)
    return [
        StepView(
            attempt=row.attempt,
            seq=row.seq,
            kind=row.kind,
            started_at=row.started_at,
            ms=row.ms,
            correlation_id=row.correlation_id,
            detail=row.detail,
        )
        for row in TurnStep.objects.filter(turn=turn)
    ]


def list_ledger(*, claimed: ClaimedTurn) -> dict[str, LedgerEntry]:
    """Return the tool calls of earlier attempts by what identifies them; the last one holds."""
    rows = TurnStep.objects.filter(
        turn_id=claimed.turn_id, attempt__lt=claimed.attempt, kind=StepKind.TOOL_CALL
    )
    return {
        row.key: LedgerEntry(
            completed=row.detail.get("status") == "ok",
            uncertain=bool(row.detail.get("side_effects"))
            and row.detail.get("status") in _UNCERTAIN,
            result=str(row.detail.get("result", "")),
        )
        for row in rows
    }
