"""Asking again: another answer to the same message, or the rest of one that was cut."""

from django.db import IntegrityError, transaction

from apps.conversations.contracts import (
    AnswerAgain,
    ContinueAnswer,
    MessageKind,
    MessageStatus,
    TurnAccepted,
    TurnKind,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import IdempotencyConflict, MessageNotFound, TurnInProgress
from apps.conversations.limits import demand_room
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.routing import choose_models, may_answer
from apps.conversations.selectors import access_message, require_owner
from apps.conversations.services.changes import Change, announce, lock_conversation
from apps.conversations.services.turns import queue_turn
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers.contracts import FinishReason, Role


def answer_again(*, actor: Actor, wanted: AnswerAgain, permission: str) -> TurnAccepted:
    """Queue another answer beside the present ones; the present ones stay on their branches.

    Idempotent by (conversation, `client_message_id`).

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
        TurnInProgress: The answer to replace is still being written.
        IdempotencyConflict: The id was used for another request.
        ModelNotFound: The wanted model is not configured.
        RouteRefused: The wanted model may not see this, or no model may.
    """
    for _attempt in range(2):
        try:
            return _answer_again_once(actor=actor, wanted=wanted, permission=permission)
        except IntegrityError:  # a twin of this request committed first: look again
            continue
    raise TurnInProgress


def continue_answer(*, actor: Actor, wanted: ContinueAnswer, permission: str) -> TurnAccepted:
    """Queue the rest of an answer that was stopped, cut or ended at its length limit.

    The whole answer, old text and new, becomes a new message; the cut one stays on its branch.
    Idempotent by (conversation, `client_message_id`).

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
        TurnInProgress: It is still being written.
        InvalidInput: The answer is complete, or there is nothing to go on with.
        RouteRefused: No model may see this.
        IdempotencyConflict: The id was used for another request.
    """
    for _attempt in range(2):
        try:
            return _continue_once(actor=actor, wanted=wanted, permission=permission)
        except IntegrityError:  # a twin of this request committed first: look again
            continue
    raise TurnInProgress


@transaction.atomic(durable=True)
def _answer_again_once(*, actor: Actor, wanted: AnswerAgain, permission: str) -> TurnAccepted:
    message = access_message(actor=actor, message_id=wanted.message_id, permission=permission)
    conversation = lock_conversation(message.conversation_id)
    asked = _asked_before(conversation, wanted.client_message_id, TurnKind.REGENERATE, message)
    if asked is not None:
        return _accepted(conversation, asked, created=False)
    question = message if message.role == Role.USER else message.parent
    if question is None or question.role != Role.USER:
        raise MessageNotFound
    if question.kind == MessageKind.COMMAND:
        raise InvalidInput(fields={"message_id": ["A command has no other answer: send it again."]})
    _refuse_if_active(message)
    model = wanted.model or _model_before(conversation, message)
    return _queue(
        actor=actor,
        conversation=conversation,
        question=question,
        kind=TurnKind.REGENERATE,
        client_key=wanted.client_message_id,
        model=model or conversation.model or None,
    )


@transaction.atomic(durable=True)
def _continue_once(*, actor: Actor, wanted: ContinueAnswer, permission: str) -> TurnAccepted:
    message = access_message(actor=actor, message_id=wanted.message_id, permission=permission)
    conversation = lock_conversation(message.conversation_id)
    asked = _asked_before(conversation, wanted.client_message_id, TurnKind.CONTINUE, message)
    if asked is not None:
        return _accepted(conversation, asked, created=False)
    question = message.parent
    if message.role != Role.ASSISTANT or question is None:
        raise InvalidInput(fields={"message_id": ["Only an answer can be continued."]})
    _refuse_if_active(message)
    turn = Turn.objects.filter(answer=message).first()
    cut_by_length = turn is not None and turn.finish_reason == FinishReason.LENGTH
    if message.status == MessageStatus.COMPLETE and not cut_by_length:
        raise InvalidInput(fields={"message_id": ["This answer is complete."]})
    if not message.text:
        raise InvalidInput(
            fields={"message_id": ["Nothing was written yet: ask for another answer instead."]}
        )
    return _queue(
        actor=actor,
        conversation=conversation,
        question=question,
        kind=TurnKind.CONTINUE,
        client_key=wanted.client_message_id,
        model=_model_before(conversation, message) or conversation.model or None,
        continues=message,
    )


def _model_before(conversation: Conversation, message: Message) -> str | None:
    """Return the model that answered, where it is still there and may answer."""
    if message.role != Role.ASSISTANT or not may_answer(conversation, message.model):
        return None
    return message.model


def _asked_before(
    conversation: Conversation, client_key: str, kind: TurnKind, message: Message
) -> Turn | None:
    found = Turn.objects.filter(conversation=conversation, client_key=client_key).first()
    if found is None:
        return None
    about = {message.pk, message.parent_id}
    same = found.continues_id == message.pk or found.user_message_id in about
    if found.kind != kind or not same:
        raise IdempotencyConflict
    return found


def _refuse_if_active(message: Message) -> None:
    active = Turn.objects.filter(answer=message, state__in=ACTIVE).first()
    if active is not None:
        raise TurnInProgress(active.pk)


def _queue(
    *,
    actor: Actor,
    conversation: Conversation,
    question: Message,
    kind: TurnKind,
    client_key: str,
    model: str | None,
    continues: Message | None = None,
) -> TurnAccepted:
    demand_room(require_owner(actor, CHAT), turns=1)
    (chosen,) = choose_models(conversation, names=[model], text=question.text)
    answer = Message.objects.create(
        conversation=conversation,
        parent=question,
        role=Role.ASSISTANT,
        status=MessageStatus.STREAMING,
        model=chosen.model.id,
        parts=continues.parts if continues is not None else [],
    )
    turn = queue_turn(
        conversation=conversation,
        user_message=question,
        answer=answer,
        chosen=chosen,
        requester=actor,
        kind=kind,
        client_key=client_key,
        continues=continues,
    )
    conversation.leaf = answer
    announce(
        Change(conversation=conversation, columns=("leaf",), new_messages=[answer], turns=[turn])
    )
    return _accepted(conversation, turn, created=True)


def _accepted(conversation: Conversation, turn: Turn, *, created: bool) -> TurnAccepted:
    return TurnAccepted(
        conversation_id=conversation.pk,
        message_id=turn.user_message_id,
        turn_id=turn.pk,
        attempt=turn.attempt,
        created=created,
        title=conversation.title,
        turn_ids=(turn.pk,),
    )
