"""Storing a command and its reply: one transaction, once, with a turn that is over at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.conversations.contracts import (
    DeltaEvent,
    DoneEvent,
    MessageKind,
    NewMessage,
    StartEvent,
    TextPart,
    TurnAccepted,
    TurnKind,
    TurnState,
)
from apps.conversations.errors import TurnInProgress
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.selectors import find_sent_message
from apps.conversations.services.changes import Change, announce, record_change
from apps.conversations.services.messages import (
    check_text,
    conversation_for,
    digest_of,
    last_message_id,
    message_here,
    receipt_of,
    sent_before,
)
from apps.conversations.stream import append_end, append_event
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import Actor
from apps.providers.contracts import FinishReason, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome:
    """What a command did.

    Attributes:
        text: The reply.
        columns: Columns of the conversation it set.
        messages: Ids of messages it changed.
        fresh_start: The reply begins a new branch that nothing stands before.
    """

    text: str
    columns: Sequence[str] = ()
    messages: Sequence[UUID] = ()
    fresh_start: bool = False


Execute = Callable[[Conversation], CommandOutcome]


def answer_command(
    *, actor: Actor, message: NewMessage, permission: str, execute: Execute
) -> TurnAccepted:
    """Carry out a command and store it with its reply, where the models never look.

    Idempotent as `send_message` is: the same `client_message_id` again executes nothing and
    returns the first receipt. The turn is complete when this returns, and its events are in its
    stream, so that every edge shows it like an answer.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        MessageNotFound: `parent_id` names no message of this conversation.
        MessageTooLong: There is too much text.
        IdempotencyConflict: The id was used for another message.
    """
    check_text(message)
    for _attempt in range(2):
        try:
            return _answer_once(actor=actor, wanted=message, permission=permission, execute=execute)
        except IntegrityError:  # a twin of this request committed first: look again
            continue
    raise TurnInProgress


def was_given(actor: Actor, message: NewMessage) -> bool:
    """Say whether the actor sent this message before, so that nothing is done for it again."""
    sent = Message.objects.filter(
        author_id=actor.id, client_message_id=message.client_message_id, kind=MessageKind.COMMAND
    )
    if message.conversation_id is not None:
        return sent.filter(conversation_id=message.conversation_id).exists()
    return sent.filter(conversation__client_key=message.conversation_key).exists()


@transaction.atomic(durable=True)
def _answer_once(
    *, actor: Actor, wanted: NewMessage, permission: str, execute: Execute
) -> TurnAccepted:
    conversation, is_new = conversation_for(actor=actor, wanted=wanted, permission=permission)
    digest = digest_of(wanted)
    sent = None if is_new else find_sent_message(
        conversation=conversation, client_message_id=wanted.client_message_id
    )  # fmt: skip
    if sent is not None:
        return sent_before(conversation, sent, digest)
    if is_new:
        record_change("conversation.created", conversation)
    outcome = execute(conversation)
    columns = ["leaf", *outcome.columns]
    if is_new and "title" not in columns:
        conversation.title = ""  # the first thing said to the assistant names it
        columns.append("title")
    parent_id = None
    if not is_new and not outcome.fresh_start:
        parent_id = conversation.leaf_id or last_message_id(conversation)
        if wanted.parent_id is not None:
            parent_id = message_here(conversation, wanted.parent_id).pk
    given = Message(
        conversation=conversation,
        parent_id=parent_id,
        role=Role.USER,
        kind=MessageKind.COMMAND,
        parts=[TextPart(text=wanted.text).model_dump(mode="json")],
        author_id=actor.id,
        client_message_id=wanted.client_message_id,
        request_digest=digest,
    )
    reply = Message(
        conversation=conversation,
        parent=given,
        role=Role.ASSISTANT,
        kind=MessageKind.COMMAND,
        parts=[TextPart(text=outcome.text).model_dump(mode="json")],
    )
    Message.objects.bulk_create([given, reply])
    turn = _ended_turn(conversation, given, reply, requester_id=actor.id)
    conversation.leaf = reply
    announce(
        Change(
            conversation=conversation,
            columns=columns,
            new_messages=[given, reply],
            messages=outcome.messages,
            turns=[turn],
        )
    )
    transaction.on_commit(lambda: _write_events(turn, outcome.text))
    return receipt_of(conversation, given, [turn], created=True)


def _ended_turn(
    conversation: Conversation, given: Message, reply: Message, *, requester_id: UUID | None
) -> Turn:
    moment = now()
    return Turn.objects.create(
        conversation=conversation,
        user_message=given,
        answer=reply,
        kind=TurnKind.COMMAND,
        state=TurnState.COMPLETED,
        attempt=1,
        queue="",
        model="",
        requester_id=requester_id,
        finish_reason=FinishReason.STOP.value,
        correlation_id=scope.correlation_id(),
        started_at=moment,
        finished_at=moment,
    )


def _write_events(turn: Turn, text: str) -> None:
    # Should this process end before these are written: the turn is over, so whoever follows it is
    # told to load the reply from the database.
    append_event(turn.pk, StartEvent(attempt=turn.attempt, model=turn.model))
    append_event(turn.pk, DeltaEvent(attempt=turn.attempt, text=text))
    append_end(
        turn.pk,
        DoneEvent(
            attempt=turn.attempt, message_id=turn.answer_id, finish_reason=turn.finish_reason
        ),
    )
