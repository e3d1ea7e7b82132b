"""Stage 8: what follows an answer: keep it, count it, tell other tabs, title it, sum it up.

Nothing here delays the answer: titles, summaries and what memory learns are tasks, enqueued in the
transaction that ends the turn, and only when there is something for them to do.
"""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from apps.accounts.permissions import MEMORY_WRITE
from apps.conversations import metrics
from apps.conversations.contracts import (
    ClaimedTurn,
    SummaryState,
    TurnKind,
    TurnOutcome,
    TurnState,
)
from apps.conversations.domain.steps import Step
from apps.conversations.explanation import MEMORY
from apps.conversations.models.conversations import Conversation
from apps.conversations.remembering import REMEMBER_TASK
from apps.conversations.services import attempts
from apps.conversations.summaries import SUMMARISE_TASK
from apps.conversations.titles import TITLE_TASK
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.memory import services as memory
from apps.memory.contracts import Always
from apps.providers import selectors as providers
from apps.providers.contracts import ModelInfo
from apps.providers.ledger import CallRecord

logger = get_logger(__name__)

_ALWAYS = frozenset(each.value for each in Always)


def settle(
    claimed: ClaimedTurn,
    outcome: TurnOutcome,
    trace: Sequence[Step] = (),
    calls: Sequence[CallRecord] = (),
) -> bool:
    """End the attempt with `outcome` and keep its last steps and its calls of models.

    Returns:
        False when the attempt was fenced off meanwhile; nothing is written then.
    """

    def follow_up(conversation: Conversation) -> None:
        _enqueue_follow_ups(claimed, outcome, conversation)

    written = attempts.finish_turn(
        claimed=claimed, outcome=outcome, trace=trace, calls=calls, follow_up=follow_up
    )
    if not written:
        return False
    metrics.turns_total.labels(outcome.state.value).inc()
    if outcome.completion_tokens:
        metrics.tokens_streamed_total.inc(outcome.completion_tokens)
    _note_memories(outcome)
    logger.info(
        "turn.ended",
        turn_id=str(claimed.turn_id),
        attempt=claimed.attempt,
        state=outcome.state.value,
        model=claimed.model,
        completion_tokens=outcome.completion_tokens,
    )
    return True


def _enqueue_follow_ups(
    claimed: ClaimedTurn, outcome: TurnOutcome, conversation: Conversation
) -> None:
    if _is_remembered(claimed, outcome, conversation):
        jobs.enqueue_on_commit(REMEMBER_TASK, turn_ids=[claimed.turn_id])
    model = providers.find_model(outcome.model or claimed.model)
    if model is None or model.scripted or outcome.state is not TurnState.COMPLETED:
        return
    if _wants_title(claimed, outcome, conversation):
        jobs.enqueue_on_commit(
            TITLE_TASK, queue=_queue_of(model, "gpu.inference"), turn_id=claimed.turn_id
        )
    if (outcome.context or {}).get("summary") == SummaryState.WANTED:
        jobs.enqueue_on_commit(
            SUMMARISE_TASK,
            queue=_queue_of(model, "gpu.consolidation"),
            message_id=claimed.answer_id,
            model=model.id,
        )


def _is_remembered(claimed: ClaimedTurn, outcome: TurnOutcome, conversation: Conversation) -> bool:
    """Say whether memory is handed the turn; it costs no query, the task looks again."""
    if outcome.state is not TurnState.COMPLETED or claimed.requester_id is None:
        return False
    if conversation.temporary or claimed.shared or not conversation.memory_enabled:
        return False
    if conversation.sensitive or claimed.settings.is_sensitive:
        return False  # a memory goes into other prompts, and those to models outside
    given = claimed.settings.permissions
    return claimed.settings.memory_enabled and (given is None or MEMORY_WRITE in given)


def _wants_title(claimed: ClaimedTurn, outcome: TurnOutcome, conversation: Conversation) -> bool:
    if not settings.CHAT_TITLES or conversation.temporary or conversation.titled_by:
        return False
    # An import or a fork brought its title along.
    return claimed.kind is TurnKind.ANSWER and not conversation.origin and bool(outcome.text)


def _queue_of(model: ModelInfo, own: str) -> str:
    return own if model.in_process else "chat"


def _note_memories(outcome: TurnOutcome) -> None:
    """Count which memories the answer had; after the answer, and not worth failing for.

    What was there only because everything fits is not counted: nothing says that it helped.
    """
    used: list[UUID] = []
    always: list[UUID] = []
    for item in (outcome.context or {}).get("items", ()):
        if not item["taken"] or not item["id"].startswith(MEMORY):
            continue
        why = item.get("why")
        if why != Always.EVERYTHING.value:
            several = always if why in _ALWAYS else used
            several.append(UUID(item["id"].removeprefix(MEMORY)))
    try:
        memory.note_used(memory_ids=used, always_ids=always)
    except DatabaseError:
        logger.warning("memory.use_not_noted", memories=len(used) + len(always))
