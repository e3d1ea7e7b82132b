"""Keeping the trace of turns, and the ledger of their tool calls."""

from collections.abc import Sequence
from uuid import UUID

from apps.conversations.contracts import ClaimedTurn
from apps.conversations.domain.steps import Step
from apps.conversations.models.steps import TurnStep
from apps.core import scope


def _row(claimed: ClaimedTurn, step: Step) -> TurnStep:
    return TurnStep(
        turn_id=claimed.turn_id,
        attempt=claimed.attempt,
        seq=step.seq,
        kind=step.kind,
        key=step.key,
        detail=step.detail,
        started_at=step.started_at,
        ms=step.ms,
        correlation_id=scope.correlation_id(),
    )


def record_steps(*, claimed: ClaimedTurn, steps: Sequence[Step]) -> None:
    """Keep steps of an attempt, all in one statement."""
    TurnStep.objects.bulk_create([_row(claimed, step) for step in steps])


def record_tool_call(*, claimed: ClaimedTurn, step: Step) -> UUID:
    """Keep a tool call at once, so that a later attempt knows of it; returns the row's id."""
    row = _row(claimed, step)
    row.save(force_insert=True)
    return row.pk


def complete_tool_call(*, step_id: UUID, step: Step) -> None:
    """Write how a call ended that was recorded before it began."""
    TurnStep.objects.filter(pk=step_id).update(detail=step.detail, ms=step.ms)
