"""Keeping the trace of turns, and the ledger of their tool calls."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from apps.conversations.contracts import ClaimedTurn
from apps.conversations.domain.steps import Step
from apps.conversations.models.steps import TurnStep
from apps.core import scope

# By hand: every turn writes a handful.
_KEEP = """
INSERT INTO conversations_turnstep
    (turn_id, attempt, correlation_id, id, seq, kind, key, detail, started_at, ms)
SELECT %s, %s, %s, step.* FROM unnest(
    %s::uuid[], %s::smallint[], %s::text[], %s::text[], %s::jsonb[], %s::timestamptz[], %s::int[]
) AS step
"""


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
    rows = [_row(claimed, step) for step in steps]
    if not rows:
        return
    columns = zip(
        *((r.pk, r.seq, r.kind, r.key, Jsonb(r.detail), r.started_at, r.ms) for r in rows),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP, [claimed.turn_id, claimed.attempt, scope.correlation_id(), *map(list, columns)]
        )


def record_tool_call(*, claimed: ClaimedTurn, step: Step) -> UUID:
    """Keep a tool call at once, so that a later attempt knows of it; returns the row's id."""
    row = _row(claimed, step)
    row.save(force_insert=True)
    return row.pk


def complete_tool_call(*, step_id: UUID, step: Step) -> None:
    """Write how a call ended that was recorded before it began."""
    TurnStep.objects.filter(pk=step_id).update(detail=step.detail, ms=step.ms)
