"""Handing turns to memory: what was said word for word, and what can be learnt from it.

After the answer, in a task that gathers the turns of a second. What must not be remembered was not
enqueued; what changed since (memory switched off, somebody invited, the conversation deleted) is
looked at again here. Imported conversations are handed over in the same way, some messages at a
time, with the days on which they were written.
"""

from collections.abc import Sequence
from itertools import takewhile
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.accounts import selectors as accounts
from apps.accounts.permissions import MEMORY_WRITE
from apps.conversations.contracts import MessageKind, TurnSettings, TurnState
from apps.conversations.errors import ConversationNotFound
from apps.conversations.models.conversations import Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.services.changes import lock_conversation
from apps.conversations.services.transfer import REMEMBER_IMPORTED_TASK
from apps.core import scope
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory import services as memory
from apps.memory.contracts import Said
from apps.providers import selectors as providers
from apps.providers.contracts import Role

logger = get_logger(__name__)

REMEMBER_TASK = "conversations.remember_turns"
_RESERVE_S = 20.0
_MESSAGES_AT_ONCE = 40  # of an import, in one transaction under the locks
_ASSISTANT = "Karen"


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
        if not _lock_remembered(turn.conversation_id):
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


def _lock_remembered(conversation_id: UUID) -> bool:
    """Lock a conversation and say whether memory may have it now.

    Whoever deletes it, or marks it as sensitive, waits, and then erases this as well.
    """
    try:
        conversation = lock_conversation(conversation_id)
    except ConversationNotFound:
        return False
    if conversation.temporary or conversation.sensitive or not conversation.memory_enabled:
        return False
    return not Participant.objects.filter(conversation=conversation).exists()


def remember_imported(*, conversation_ids: Sequence[UUID], after: UUID | None = None) -> int:
    """Hand what was said in imported conversations to the memory of their owners.

    Harmless when it runs twice, as `remember_turns`. What does not fit into the task's time is
    enqueued again from where it stands.

    Args:
        conversation_ids: In their order; what is gone meanwhile is passed over.
        after: Begin behind this message of the first of them.

    Returns:
        How many messages were handed over.
    """
    waiting, handed = list(conversation_ids), 0
    while waiting:
        if remaining_s() < _RESERVE_S:
            with transaction.atomic():
                jobs.enqueue_on_commit(
                    REMEMBER_IMPORTED_TASK,
                    conversation_ids=waiting,
                    after=str(after) if after else "",
                )
            break
        messages = _imported_messages(waiting[0], after)
        if messages and _remember_messages(waiting[0], messages):
            handed, after = handed + len(messages), messages[-1].pk
        else:
            waiting, after = waiting[1:], None
    return handed


def _imported_messages(conversation_id: UUID, after: UUID | None) -> list[Message]:
    """Return the next few messages that came with an import; turns since are handed over alone."""
    turns = Turn.objects.filter(conversation=conversation_id)
    rows = Message.objects.filter(
        conversation=conversation_id,
        kind=MessageKind.CHAT,
        role__in=[Role.USER, Role.ASSISTANT],
        conversation__origin="import",
    ).exclude(Q(pk__in=turns.values("user_message")) | Q(pk__in=turns.values("answer")))
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.select_related("conversation").order_by("pk")[:_MESSAGES_AT_ONCE])


def _remember_messages(conversation_id: UUID, messages: Sequence[Message]) -> bool:
    """Hand messages over; return False where memory may not have more of the conversation.

    Where a rule of routing goes by personal data, a turn that holds some is not remembered, nor is
    what follows it in its conversation; so it is here.
    """
    conversation = messages[0].conversation
    owner = accounts.actor_for(conversation.owner_id, scope.require())
    if owner is None or not owner.may(MEMORY_WRITE) or conversation.sensitive:
        return False
    said = [
        Said(
            message_id=message.pk,
            conversation_id=conversation_id,
            speaker=_ASSISTANT if message.role == Role.ASSISTANT else "",
            by_assistant=message.role == Role.ASSISTANT,
            text=message.text,
            said_at=message.created_at,
        )
        for message in takewhile(lambda each: not _is_personal(each), messages)
        if message.text.strip()
    ]
    # Years of messages: asking a model about each would cost the person's budget.
    readings = memory.read_said(subject_id=conversation.owner_id, said=said, with_model=False)
    with transaction.atomic():
        if not _lock_remembered(conversation_id):
            return False
        memory.absorb(subject_id=conversation.owner_id, said=said, readings=readings)
    return not any(map(_is_personal, messages))


def _is_personal(message: Message) -> bool:
    return message.role == Role.USER and providers.is_personal(message.text)


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
