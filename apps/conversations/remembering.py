"""Handing turns to memory: what was said word for word, and what can be learnt from it.

After the answer, in a task that gathers the turns of a second. What must not be remembered was not
enqueued; what changed since (memory switched off, somebody invited, the conversation deleted) is
looked at again here.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.conversations.contracts import MessageKind, TurnSettings, TurnState
from apps.conversations.errors import ConversationNotFound
from apps.conversations.models.conversations import Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.services.changes import lock_conversation
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory import services as memory
from apps.memory.contracts import Said

logger = get_logger(__name__)

REMEMBER_TASK = "conversations.remember_turns"
_RESERVE_S = 20.0


def remember_turns(*, turn_ids: Sequence[UUID]) -> int:
    """Hand turns to the memory of who asked, oldest first.

    Harmless when it runs twice: a message is taken in and learnt from once. What does not fit into
    the task's time is enqueued again.

    Returns:
        How many turns were handed over.
    """
    turns = (
        Turn.objects.select_related("user_message", "answer", "conversation")
        .filter(pk__in=turn_ids, state=TurnState.COMPLETED, requester_id__isnull=False)
        .order_by("id")
    )
    waiting = list(turns)
    handed = 0
    while waiting:
        if remaining_s() < _RESERVE_S:
            with transaction.atomic():
                jobs.enqueue_on_commit(REMEMBER_TASK, turn_ids=[turn.pk for turn in waiting])
            break
        handed += _remember(waiting.pop(0))
    return handed


def _remember(turn: Turn) -> bool:
    subject_id = turn.requester_id
    said = [each for message in (turn.user_message, turn.answer) if (each := _said(turn, message))]
    if subject_id is None or not said:
        return False
    if turn.conversation.sensitive or TurnSettings.model_validate(turn.settings).is_sensitive:
        return False
    readings = memory.read_said(subject_id=subject_id, said=said)
    with transaction.atomic():
        try:  # whoever deletes the conversation waits, and then erases this as well
            conversation = lock_conversation(turn.conversation_id)
        except ConversationNotFound:
            return False
        if conversation.temporary or conversation.sensitive or not conversation.memory_enabled:
            return False
        if Participant.objects.filter(conversation=conversation).exists():
            return False
        learnt = memory.absorb(subject_id=subject_id, said=said, readings=readings)
    logger.info(
        "turn.remembered",
        turn_id=str(turn.pk),
        created=learnt.created,
        proven=learnt.proven,
        superseded=learnt.superseded,
        refused=learnt.refused,
    )
    return True


def _said(turn: Turn, message: Message) -> Said | None:
    by_assistant = message.pk == turn.answer_id
    if message.kind != MessageKind.CHAT or not message.text.strip():
        return None
    if not by_assistant and message.author_id != turn.requester_id:
        return None  # asked again by somebody who did not write it
    return Said(
        message_id=message.pk,
        conversation_id=turn.conversation_id,
        speaker=_ASSISTANT if by_assistant else "",
        by_assistant=by_assistant,
        text=message.text,
        said_at=message.created_at,
    )


_ASSISTANT = "Karen"
