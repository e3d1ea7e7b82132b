"""The life of a turn in the database: queued, waited for, recovered, cancelled.

What a worker writes while it holds a turn is in `attempts`.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.conversations.contracts import (
    RetryingEvent,
    TurnKind,
    TurnState,
    TurnView,
)
from apps.conversations.domain.states import (
    ACTIVE,
    MAX_ATTEMPTS,
    WAITING,
    answer_status,
)
from apps.conversations.errors import AttemptsExhausted, TurnNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.routing import ChosenModel
from apps.conversations.selectors import (
    access_turn,
    terminal_event,
    turn_view,
)
from apps.conversations.services.changes import Change, announce, lock_conversation
from apps.conversations.services.personas import turn_settings
from apps.conversations.stream import append_end, append_event, request_cancel
from apps.core import scope
from apps.core.clock import now
from apps.core.envelope import error_body
from apps.core.logging import get_logger
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.providers import ledger
from apps.providers.contracts import Origin
from apps.providers.ledger import CallRecord

logger = get_logger(__name__)

LEASE_KIND = "turn"
# After this long somebody looks whether a queued turn's message is still there: what a killed
# worker or a killed broker lost is not waited for.
_QUEUED_TTL_S = 8.0
# The message expires after this long (`tasks.run_turn`): then another one is due in any case.
_MESSAGE_TTL_S = 90.0
# An end that could not be told, because Redis was away: somebody waits for nothing else.
_ANNOUNCE_TTL_S = 2.0
RUN_TASK = "conversations.run_turn"


def queue_turn(
    *,
    conversation: Conversation,
    user_message: Message,
    answer: Message,
    chosen: ChosenModel,
    requester: Actor,
    kind: TurnKind = TurnKind.ANSWER,
    client_key: str = "",
    continues: Message | None = None,
    blocked_by: Turn | None = None,
) -> Turn:
    """Create a turn and enqueue it, inside the caller's transaction with the conversation locked.

    A turn that waits for another one is enqueued when that one ends. What the requester may do
    now bounds what is done in their name: an API key may be given less than its owner has.
    """
    held = turn_settings(conversation).model_copy(
        update={
            "permissions": tuple(sorted(requester.permissions)),
            "personal": chosen.personal,
        }
    )
    turn = Turn.objects.create(
        conversation=conversation,
        user_message=user_message,
        answer=answer,
        model=chosen.model.id,
        queue="gpu.inference" if chosen.model.in_process else "chat",
        correlation_id=scope.correlation_id(),
        requester_id=requester.id,
        kind=kind,
        client_key=client_key,
        continues=continues,
        blocked_by=blocked_by,
        settings=held.model_dump(mode="json"),
    )
    if blocked_by is None:
        _enqueue(turn)
    else:
        _wait(turn)
    return turn


def _wait(turn: Turn) -> None:
    # The lease is the safety net: should the turn before end without releasing this one, the
    # reaper looks and does it.
    jobs.hold_lease(kind=LEASE_KIND, key=turn.pk, owner="queue", ttl_s=_MESSAGE_TTL_S)


_RELEASE = """
UPDATE conversations_turn SET blocked_by_id = NULL
WHERE blocked_by_id = %s AND state = 'queued' RETURNING *
"""


def release_next(turn: Turn) -> list[Turn]:
    """Enqueue what waited for a turn that ended, and return it; the conversation is locked.

    The lock closes the gap between a message that looks whether an answer is running and the end
    of that answer: whoever comes second sees what the first did.
    """
    waiting = sorted(Turn.objects.raw(_RELEASE, [turn.pk]), key=lambda each: each.pk)
    for following in waiting:
        _enqueue(following)
    return waiting


def _enqueue(turn: Turn, *, ttl_s: float = _QUEUED_TTL_S) -> None:
    jobs.hold_lease(kind=LEASE_KIND, key=turn.pk, owner="queue", ttl_s=ttl_s)
    jobs.enqueue_on_commit(RUN_TASK, queue=turn.queue, turn_id=turn.pk)


def announce_end(turn: Turn) -> bool:
    """Write the terminal event of a turn that ended, unless the log has it.

    Nobody knows any more what reached the log, so the stored text goes before it.

    Returns:
        Whether the log has it now; false while Redis is away.
    """
    return append_end(turn.pk, terminal_event(turn), whole=turn.answer.text)


def announce_later(turn: Turn) -> None:
    """Have the reaper announce an end in a moment, and again until it is in the log."""
    jobs.hold_lease(kind=LEASE_KIND, key=turn.pk, owner="announce", ttl_s=_ANNOUNCE_TTL_S)


def recover_turn(turn_id: UUID) -> None:
    """Handle a turn whose lease ran out: enqueue it again, give up, or finish announcing it.

    Called by the reaper inside the tenant and a transaction.
    """
    turn = Turn.objects.select_for_update(no_key=True, of=("self",)).filter(pk=turn_id).first()
    if turn is None:
        return
    if turn.state not in ACTIVE:
        if not announce_end(turn):
            announce_later(turn)
        return
    if turn.state in WAITING:
        _recover_waiting(turn)
        return
    ledger.write_calls([_lost_call(turn)])
    if turn.attempt >= MAX_ATTEMPTS:
        _end_without_worker(turn, TurnState.FAILED, error=AttemptsExhausted())
        return
    Turn.objects.filter(pk=turn_id).update(state=TurnState.RETRYING, owner="")
    _enqueue(turn)
    retrying = RetryingEvent(attempt=turn.attempt)
    transaction.on_commit(lambda: append_event(turn_id, retrying))
    logger.warning("turn.retrying", turn_id=str(turn_id), attempt=turn.attempt)


def _lost_call(turn: Turn) -> CallRecord:
    """Return the row of an attempt whose worker died: what it used is not known."""
    return ledger.lost_call(
        model=turn.model,
        started_at=turn.started_at or now(),
        origin=Origin(user_id=turn.requester_id, turn_id=turn.pk, attempt=turn.attempt),
    )


def _recover_waiting(turn: Turn) -> None:
    """Enqueue a waiting turn again unless its message may still stand in the queue.

    It was sent at least as long ago as its lease lived: where the oldest message is younger, it is
    not among them.
    """
    if turn.blocked_by is not None and turn.blocked_by.state in ACTIVE:
        _wait(turn)
        return
    if turn.blocked_by is not None:
        turn.blocked_by = None
        turn.save(update_fields=["blocked_by"])
    waited_s = (now() - (turn.started_at or turn.created_at)).total_seconds()
    if jobs.oldest_message_age_s(turn.queue) < _QUEUED_TTL_S - 1.0:
        _enqueue(turn)
    elif waited_s < _MESSAGE_TTL_S:
        jobs.hold_lease(kind=LEASE_KIND, key=turn.pk, owner="queue", ttl_s=_QUEUED_TTL_S)
    else:
        _enqueue(turn, ttl_s=_MESSAGE_TTL_S)


def _end_without_worker(
    turn: Turn, state: TurnState, *, error: AttemptsExhausted | None = None
) -> None:
    turn.state, turn.finished_at = state, now()
    turn.error = error_body(error) if error else None
    turn.save(update_fields=["state", "finished_at", "error"])
    Message.objects.filter(pk=turn.answer_id).update(status=answer_status(state))
    conversation = lock_conversation(turn.conversation_id)
    released = release_next(turn)
    announce(Change(conversation=conversation, messages=[turn.answer_id], turns=[turn, *released]))
    announce_later(turn)
    transaction.on_commit(lambda: _announce_and_release(turn))


def _announce_and_release(turn: Turn) -> None:
    if announce_end(turn):
        jobs.release_lease(kind=LEASE_KIND, key=turn.pk, owner="announce")


@transaction.atomic(durable=True)
def cancel_turn(*, actor: Actor, turn_id: UUID, permission: str) -> TurnView:
    """Stop a turn; the text so far is kept. Stopping one that ended changes nothing.

    A waiting turn ends at once. A running one is asked to stop: its worker sees the request
    within a fraction of a second and ends it.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist or belongs to somebody else.
    """
    seen = access_turn(actor=actor, turn_id=turn_id, permission=permission)
    turn = _locked_with_those_before(seen)
    if turn.state not in ACTIVE:
        return turn_view(turn)
    audit.record(
        action="turn.cancelled", target_type="turn", target_id=turn_id, target_label=str(turn_id)
    )
    if turn.state in WAITING:
        _end_without_worker(turn, TurnState.CANCELLED)
    else:
        request_stop(turn)
    return turn_view(turn)


def _locked_with_those_before(turn: Turn) -> Turn:
    """Return the turn, locked after all that run in its conversation, oldest first.

    Whoever ends a turn goes on to those that wait for it, with the conversation locked: the one
    that waits must not be held by somebody who is about to ask for the conversation.

    Raises:
        TurnNotFound: It was deleted meanwhile.
    """
    here = Turn.objects.filter(conversation=turn.conversation_id)
    wanted = here.filter(Q(pk=turn.pk) | Q(state__in=ACTIVE)).order_by("id")
    rows = {row.pk: row for row in wanted.select_for_update(no_key=True, of=("self",))}
    if turn.pk not in rows:
        raise TurnNotFound
    return rows[turn.pk]


def request_stop(turn: Turn) -> None:
    """Ask after the commit that whoever runs the turn stops; it keeps its text."""
    transaction.on_commit(lambda: request_cancel(turn.pk))
