"""What a worker writes of its attempt at a turn: claimed, kept, ended.

Exactly-once is a property of these statements: one `UPDATE … WHERE state … RETURNING` claims an
attempt, and every later write carries `WHERE attempt = mine`.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from psycopg.types.json import Jsonb

from apps.conversations.contracts import (
    ClaimedTurn,
    TextPart,
    TurnKind,
    TurnOutcome,
    TurnSettings,
    TurnState,
    text_of,
)
from apps.conversations.domain.states import MAX_ATTEMPTS, WAITING, answer_status
from apps.conversations.domain.steps import Step
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.selectors import branch_messages, terminal_event
from apps.conversations.services.changes import Change, announce, lock_conversation
from apps.conversations.services.steps import record_steps
from apps.conversations.services.turns import LEASE_KIND, announce_later, release_next
from apps.conversations.stream import append_end, is_torn
from apps.core import scope
from apps.core.clock import now
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.providers import ledger
from apps.providers.ledger import CallRecord

logger = get_logger(__name__)

# Claiming and ending are the busiest writes of the product: one statement each, by hand.
_CLAIM = """
WITH mine AS (
    UPDATE conversations_turn
    SET state = 'running', attempt = attempt + 1, owner = %s, started_at = %s
    WHERE id = %s AND state = ANY(%s) AND attempt < %s AND blocked_by_id IS NULL
    RETURNING *
)
SELECT mine.*, c.temporary, c.sensitive, said.parts AS said, EXISTS (
    SELECT FROM conversations_participant p WHERE p.conversation_id = mine.conversation_id
) AS shared
FROM mine
JOIN conversations_conversation c ON c.id = mine.conversation_id
LEFT JOIN conversations_message said ON said.id = mine.continues_id
"""


@transaction.atomic(durable=True)
def claim_turn(*, turn_id: UUID, owner: str, lease_ttl_s: float) -> ClaimedTurn | None:
    """Take a waiting turn for one attempt, or return None if it is not waiting any more.

    Args:
        turn_id: The turn.
        owner: A name unique to this run.
        lease_ttl_s: Seconds until the reaper takes this worker for dead without renewal.
    """
    claimed = list(Turn.objects.raw(_CLAIM, [owner, now(), turn_id, sorted(WAITING), MAX_ATTEMPTS]))
    if not claimed:
        return None
    turn: Any = claimed[0]  # with what `_CLAIM` adds
    jobs.hold_lease(kind=LEASE_KIND, key=turn_id, owner=owner, ttl_s=lease_ttl_s)
    return ClaimedTurn(
        turn_id=turn_id,
        conversation_id=turn.conversation_id,
        answer_id=turn.answer_id,
        attempt=turn.attempt,
        owner=owner,
        model=turn.model,
        tenant=scope.require(),
        history=branch_messages(leaf_id=turn.user_message_id),
        settings=_settings_of(turn.settings, marked=turn.sensitive),
        kind=TurnKind(turn.kind),
        prefix=text_of(json.loads(turn.said)) if turn.said else "",
        requester_id=turn.requester_id,
        temporary=turn.temporary,
        shared=turn.shared,
        level=turn.level,
    )


def _settings_of(kept: object, *, marked: bool) -> TurnSettings:
    stored = TurnSettings.model_validate(kept)
    # A mark holds for what waits already; taking it away frees nothing that was sent under it.
    return stored.model_copy(update={"sensitive": stored.sensitive or marked})


def _stored_parts(outcome: TurnOutcome) -> list[dict[str, Any]]:
    if outcome.parts:
        return [_without_nul(part.model_dump(mode="json")) for part in outcome.parts]
    return _text_parts(outcome.text)


def _text_parts(text: str) -> list[dict[str, Any]]:
    return [_without_nul(TextPart(text=text).model_dump(mode="json"))] if text else []


def _without_nul(part: dict[str, Any]) -> dict[str, Any]:
    # PostgreSQL's jsonb takes every character but this one, and a model may write it.
    return {
        name: value.replace("\x00", "") if isinstance(value, str) else value
        for name, value in part.items()
    }


@transaction.atomic(durable=True)
def save_partial(*, claimed: ClaimedTurn, text: str) -> bool:
    """Keep the text written so far, unless this attempt was fenced off.

    Returns:
        Whether this attempt still holds the turn.
    """
    # The turn is locked first: a condition on another table is judged by what was true when the
    # statement began, so a save that waited for the end of the turn would undo its text.
    mine = Turn.objects.select_for_update(no_key=True, of=("self",)).filter(
        pk=claimed.turn_id, attempt=claimed.attempt, state=TurnState.RUNNING
    )
    if not mine.values_list("pk", flat=True).first():
        return False
    Message.objects.filter(pk=claimed.answer_id).update(parts=_text_parts(text))
    return True


_FINISH = """
UPDATE conversations_turn
SET state = %s, finish_reason = %s, error = %s, prompt_tokens = %s, completion_tokens = %s,
    usage_estimated = %s, level = %s, context = %s, finished_at = %s,
    model = COALESCE(NULLIF(%s, ''), model)
WHERE id = %s AND attempt = %s AND state = 'running'
RETURNING *
"""
_KEEP_ANSWER = """
UPDATE conversations_message
SET parts = %s, status = %s, model = COALESCE(NULLIF(%s, ''), model)
WHERE id = %s
RETURNING *
"""


def finish_turn(
    *,
    claimed: ClaimedTurn,
    outcome: TurnOutcome,
    trace: Sequence[Step] = (),
    calls: Sequence[CallRecord] = (),
    follow_up: Callable[[Conversation], None] | None = None,
) -> bool:
    """End the attempt: write answer, usage and state, then the one terminal event.

    Args:
        claimed: The attempt.
        outcome: How it ended.
        trace: Steps of the attempt that are not kept yet.
        calls: Its calls of models, for the ledger.
        follow_up: Enqueues what comes after the answer; called inside the transaction.

    Returns:
        False when the attempt was fenced off meanwhile; nothing is written then.
    """
    with transaction.atomic(durable=True):
        turn = _ended(claimed, outcome)
        if turn is None:
            logger.warning("turn.fenced_off", turn_id=str(claimed.turn_id), attempt=claimed.attempt)
            return False
        record_steps(claimed=claimed, steps=trace)
        ledger.write_calls(calls)
        answer = Message.objects.raw(
            _KEEP_ANSWER,
            [
                Jsonb(_stored_parts(outcome)),
                answer_status(outcome.state),
                outcome.model,
                claimed.answer_id,
            ],
        )
        ended = list(answer)
        conversation = lock_conversation(claimed.conversation_id)
        released = release_next(turn)
        announce(Change(conversation=conversation, ended=ended, turns=[turn, *released]))
        if follow_up is not None:
            follow_up(conversation)
    # The lease outlives this attempt until the event is written.
    whole = outcome.text if is_torn(turn.pk) else None
    if append_end(turn.pk, terminal_event(turn), whole=whole):
        jobs.release_lease(kind=LEASE_KIND, key=claimed.turn_id, owner=claimed.owner)
    else:
        announce_later(turn)
    return True


def _ended(claimed: ClaimedTurn, outcome: TurnOutcome) -> Turn | None:
    """Write the end of an attempt and return the turn; None where it was fenced off."""
    values = [
        outcome.state,
        outcome.finish_reason,
        _json_or_null(outcome.error),
        outcome.prompt_tokens,
        outcome.completion_tokens,
        outcome.usage_estimated,
        outcome.level,
        _json_or_null(outcome.context),
        now(),
        outcome.model,
    ]
    found = Turn.objects.raw(_FINISH, [*values, claimed.turn_id, claimed.attempt])
    return next(iter(found), None)


def _json_or_null(value: object) -> Jsonb | None:
    return None if value is None else Jsonb(value)
