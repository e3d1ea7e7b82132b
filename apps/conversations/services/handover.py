"""Giving a running turn to a worker that can run another model."""

from django.db import transaction

from apps.conversations.contracts import ClaimedTurn, RetryingEvent, TurnState
from apps.conversations.domain.states import MAX_ATTEMPTS
from apps.conversations.models.turns import Turn
from apps.conversations.services.turns import LEASE_KIND, RUN_TASK
from apps.conversations.stream import append_event
from apps.jobs import services as jobs
from apps.providers.contracts import ModelInfo

_QUEUED_TTL_S = 90.0  # as for every queued turn: after that it is enqueued again


def hand_over_turn(*, claimed: ClaimedTurn, model: ModelInfo, level: int) -> bool:
    """Queue the turn for `model`, which needs a worker of its own; the next attempt runs it.

    Returns:
        False when the attempt was fenced off, or when no attempt is left for the next worker.
    """
    if claimed.attempt >= MAX_ATTEMPTS:
        return False
    queue = "gpu.inference" if model.in_process else "chat"
    with transaction.atomic(durable=True):
        mine = Turn.objects.filter(
            pk=claimed.turn_id, attempt=claimed.attempt, state=TurnState.RUNNING
        )
        moved = mine.update(
            state=TurnState.RETRYING, owner="", model=model.id, queue=queue, level=level
        )
        if not moved:
            return False
        jobs.hold_lease(kind=LEASE_KIND, key=claimed.turn_id, owner="queue", ttl_s=_QUEUED_TTL_S)
        jobs.enqueue_on_commit(RUN_TASK, queue=queue, turn_id=claimed.turn_id)
        retrying = RetryingEvent(attempt=claimed.attempt)
        transaction.on_commit(lambda: append_event(claimed.turn_id, retrying))
    return True
