"""Taking a person's message: stored and queued in one transaction, once."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.conversations.attachments import services as attachments
from apps.conversations.contracts import (
    ConversationOptions,
    Delivery,
    MessageKind,
    MessageStatus,
    NewMessage,
    TextPart,
    TurnAccepted,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.domain.titles import title_from
from apps.conversations.errors import (
    IdempotencyConflict,
    MessageEmpty,
    MessageNotFound,
    MessageTooLong,
    QueueFull,
    TurnInProgress,
)
from apps.conversations.limits import demand_room, limits_here
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.routing import ChosenModel, choose_models
from apps.conversations.selectors import access_conversation, find_sent_message, require_owner
from apps.conversations.services.changes import Change, announce, lock_conversation, record_change
from apps.conversations.services.options import apply_options
from apps.conversations.services.personas import preferred_model
from apps.conversations.services.turns import queue_turn, request_stop
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers import selectors as providers
from apps.providers.contracts import Role


def send_message(*, actor: Actor, message: NewMessage, permission: str) -> TurnAccepted:
    """Store the person's message and queue a turn for it, or one per wanted model.

    Idempotent by (conversation, `client_message_id`), and by (owner, `client_message_id`) where
    the message starts a conversation: a repeat returns the first result, also when two arrive at
    the same moment.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        MessageNotFound: `parent_id` or `edit_of` names no message of this conversation.
        MessageEmpty: There is neither text nor an attachment.
        MessageTooLong: There is too much text.
        IdempotencyConflict: The id was used for another message.
        TurnInProgress: An answer is being written and `delivery` is `reject`.
        QueueFull: Too many messages wait already.
        AttachmentNotFound: A file does not exist, or is not the actor's.
        AttachmentWasRefused: A file was refused.
        AttachmentAlreadySent: A file was sent in another conversation.
        TooManyTurns: Too many answers are being written for the person or the workspace.
        ModelNotFound: A wanted model is not configured.
        NoModelAvailable: None is.
        RouteRefused: A wanted model may not see this, or no model may.
    """
    check_text(message)
    # Before anything is locked: a long text takes a second, and what was found is remembered.
    providers.is_personal(message.text)
    for _attempt in range(2):
        try:
            return _send_once(actor=actor, wanted=message, permission=permission)
        except IntegrityError:
            # A twin of this request committed first: look again.
            continue
    raise TurnInProgress


@transaction.atomic(durable=True)
def _send_once(*, actor: Actor, wanted: NewMessage, permission: str) -> TurnAccepted:
    conversation, is_new = conversation_for(actor=actor, wanted=wanted, permission=permission)
    if not is_new:
        sent = find_sent_message(
            conversation=conversation, client_message_id=wanted.client_message_id
        )
        if sent is not None:
            return sent_before(conversation, sent, digest_of(wanted))
    models = _models(wanted, conversation)
    demand_room(require_owner(actor, permission), turns=len(models))
    place = _place(wanted, conversation, is_new=is_new)
    question, answers = _stored(
        actor=actor,
        wanted=wanted,
        conversation=conversation,
        parent_id=place.parent_id,
        models=models,
    )
    turns = [
        queue_turn(
            conversation=conversation,
            user_message=question,
            answer=answer,
            chosen=chosen,
            requester=actor,
            blocked_by=place.after,
        )
        for answer, chosen in zip(answers, models, strict=True)
    ]
    if place.steered is not None:
        request_stop(place.steered)
    conversation.leaf = answers[0]
    conversation.title = conversation.title or title_from(wanted.text)
    if is_new:
        record_change("conversation.created", conversation)
    announce(
        Change(
            conversation=conversation,
            columns=("leaf", "title"),
            new_messages=[question, *answers],
            turns=turns,
        )
    )
    return receipt_of(conversation, question, turns, created=True)


def _stored(
    *,
    actor: Actor,
    wanted: NewMessage,
    conversation: Conversation,
    parent_id: UUID | None,
    models: list[ChosenModel],
) -> tuple[Message, list[Message]]:
    question = Message(
        conversation=conversation,
        parent_id=parent_id,
        role=Role.USER,
        parts=[TextPart(text=wanted.text).model_dump(mode="json")] if wanted.text else [],
        author_id=actor.id,
        client_message_id=wanted.client_message_id,
        request_digest=digest_of(wanted),
    )
    answers = [
        Message(
            conversation=conversation,
            parent=question,
            role=Role.ASSISTANT,
            status=MessageStatus.STREAMING,
            model=chosen.model.id,
        )
        for chosen in models
    ]
    Message.objects.bulk_create([question, *answers])
    if wanted.attachments:
        question.parts += attachments.attach(
            message=question, attachment_ids=wanted.attachments, owner_id=actor.id
        )
        question.save(update_fields=["parts"])
    return question, answers


def check_text(message: NewMessage) -> None:
    """Refuse a text that cannot be taken.

    Raises:
        MessageEmpty: There is neither text nor an attachment.
        MessageTooLong: There is too much text.
        InvalidInput: It holds a character that cannot be stored.
    """
    text = message.text
    readable = any(character.isprintable() and not character.isspace() for character in text)
    if not readable and not message.attachments:
        raise MessageEmpty
    if "\x00" in text:
        raise InvalidInput(fields={"text": ["The character NUL cannot be stored: remove it."]})
    limit = limits_here().message_characters
    if len(text) > limit:
        raise MessageTooLong(limit=limit, length=len(text))


def digest_of(message: NewMessage) -> str:
    """Return what makes two requests with one id the same request."""
    body = message.model_dump_json(
        include={"text", "model", "models", "parent_id", "edit_of", "attachments"}
    )
    return hashlib.sha256(body.encode()).hexdigest()


def sent_before(conversation: Conversation, sent: Message, digest: str) -> TurnAccepted:
    """Return the receipt of a message that was sent before under the same id.

    Raises:
        IdempotencyConflict: It was another message.
    """
    if sent.request_digest and sent.request_digest != digest:
        raise IdempotencyConflict
    turns = list(Turn.objects.filter(user_message=sent).order_by("id"))
    return receipt_of(conversation, sent, turns, created=False)


def find_receipt(
    *, actor: Actor, conversation_id: UUID, client_message_id: str, permission: str
) -> TurnAccepted | None:
    """Return the receipt of a message that was sent under this id before, if one was.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    sent = find_sent_message(conversation=conversation, client_message_id=client_message_id)
    return None if sent is None else sent_before(conversation, sent, sent.request_digest)


def conversation_for(
    *, actor: Actor, wanted: NewMessage, permission: str
) -> tuple[Conversation, bool]:
    """Return the locked conversation that a message belongs to, and whether it is new.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    if wanted.conversation_id is not None:
        return access_conversation(
            actor=actor,
            conversation_id=wanted.conversation_id,
            permission=permission,
            lock=True,
        ), False
    owner_id = require_owner(actor, permission)
    conversation = Conversation(
        owner_id=owner_id,
        client_key=wanted.conversation_key,
        title=title_from(wanted.text),
    )
    found = Conversation.objects.filter(
        owner_id=owner_id, client_key=wanted.conversation_key
    ).first()
    if found is not None:
        return lock_conversation(found.pk), False
    apply_options(actor=actor, conversation=conversation, options=wanted.options or _NO_OPTIONS)
    conversation.save(force_insert=True)
    return conversation, True


_NO_OPTIONS = ConversationOptions()


def _models(wanted: NewMessage, conversation: Conversation) -> list[ChosenModel]:
    names: list[str | None] = [*dict.fromkeys(wanted.models)]
    names = names or [wanted.model or conversation.model or preferred_model(conversation)]
    return choose_models(conversation, names=names, text=wanted.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a message goes: after which message, after which turn, and what it stops."""

    parent_id: UUID | None = None
    after: Turn | None = None
    steered: Turn | None = None


_ACTIVE_HERE = (
    "SELECT * FROM conversations_turn WHERE conversation_id = %s AND state = ANY(%s) ORDER BY id"
)


def _place(wanted: NewMessage, conversation: Conversation, *, is_new: bool) -> _Place:
    if is_new:
        return _Place()
    if wanted.edit_of is not None:
        edited = message_here(conversation, wanted.edit_of)
        if edited.role != Role.USER:
            raise InvalidInput(fields={"edit_of": ["Only a person's message can be edited."]})
        return _Place(parent_id=edited.parent_id)
    parent_id = conversation.leaf_id or last_message_id(conversation)
    if wanted.parent_id is not None:
        parent_id = message_here(conversation, wanted.parent_id).pk
    active = list(Turn.objects.raw(_ACTIVE_HERE, [conversation.pk, sorted(ACTIVE)]))
    # A command that was given meanwhile stands between, and nobody waits for it.
    said_last = _last_said(parent_id) if active else parent_id
    before = next((turn for turn in active if turn.answer_id == said_last), None)
    if before is None:
        return _Place(parent_id=parent_id)
    if wanted.delivery is Delivery.REJECT:
        raise TurnInProgress(before.pk)
    if len(active) >= settings.CHAT_QUEUE_MAX:
        raise QueueFull(limit=settings.CHAT_QUEUE_MAX)
    steered = before if wanted.delivery is Delivery.STEER else None
    return _Place(parent_id=parent_id, after=before, steered=steered)


def _last_said(message_id: UUID | None) -> UUID | None:
    """Return the message itself, or the nearest before it that is no command."""
    while message_id is not None:
        row = Message.objects.filter(pk=message_id).values_list("kind", "parent_id").first()
        if row is None or row[0] != MessageKind.COMMAND:
            break
        message_id = row[1]
    return message_id


def message_here(conversation: Conversation, message_id: UUID) -> Message:
    """Return a message of this conversation.

    Raises:
        MessageNotFound: It is not here.
    """
    found = Message.objects.filter(conversation=conversation, pk=message_id).first()
    if found is None:
        raise MessageNotFound
    return found


def last_message_id(conversation: Conversation) -> UUID | None:
    """Return the newest message's id, if there is any."""
    last = Message.objects.filter(conversation=conversation).order_by("-id")
    return last.values_list("pk", flat=True).first()


def receipt_of(
    conversation: Conversation, message: Message, turns: list[Turn], *, created: bool
) -> TurnAccepted:
    """Return what the sender of a message is told."""
    return TurnAccepted(
        conversation_id=conversation.pk,
        message_id=message.pk,
        turn_id=turns[0].pk,
        attempt=turns[0].attempt,
        created=created,
        title=conversation.title,
        turn_ids=tuple(turn.pk for turn in turns),
    )
