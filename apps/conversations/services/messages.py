"""Taking a user's message: stored and queued in one transaction, once."""

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.conversations.contracts import MessageStatus, TurnAccepted
from apps.conversations.domain.states import ACTIVE
from apps.conversations.domain.titles import title_from
from apps.conversations.errors import MessageEmpty, MessageTooLong, TurnInProgress
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.selectors import access_conversation, find_sent_message, require_owner
from apps.conversations.services.conversations import record_change
from apps.conversations.services.turns import queue_turn
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers import selectors as providers
from apps.providers.contracts import Role


def send_message(
    *,
    actor: Actor,
    conversation_id: UUID | None,
    permission: str,
    client_message_id: str,
    text: str,
    model: str | None,
) -> TurnAccepted:
    """Store the user's message and queue one turn for it.

    Idempotent by (conversation, `client_message_id`), and by (owner, `client_message_id`) where
    the message starts a conversation: a repeat returns the first result, also when two arrive at
    the same moment.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist or belongs to somebody else.
        MessageEmpty: There is no text.
        MessageTooLong: There is too much text.
        TurnInProgress: Another answer is being written in this conversation.
        ModelNotFound: The wanted model is not configured.
        NoModelAvailable: None is.
    """
    _check_text(text)
    for _attempt in range(2):
        try:
            return _send_once(
                actor=actor,
                conversation_id=conversation_id,
                permission=permission,
                client_message_id=client_message_id,
                text=text,
                model=model,
            )
        except IntegrityError:
            # A twin of this request committed first, or a turn started meanwhile: look again.
            continue
    raise TurnInProgress


@transaction.atomic(durable=True)
def _send_once(
    *,
    actor: Actor,
    conversation_id: UUID | None,
    permission: str,
    client_message_id: str,
    text: str,
    model: str | None,
) -> TurnAccepted:
    conversation, is_new = _conversation_for(
        actor=actor,
        conversation_id=conversation_id,
        permission=permission,
        client_message_id=client_message_id,
        text=text,
    )
    if not is_new:
        sent = find_sent_message(conversation=conversation, client_message_id=client_message_id)
        if sent is not None:
            return _accepted(conversation, sent, sent.turn, created=False)
    route = providers.choose_route(model=model or conversation.model or None)
    message, answer = _store_messages(conversation, text, client_message_id, route.model.id, is_new)
    turn = queue_turn(
        conversation=conversation, user_message=message, answer=answer, model=route.model
    )
    if is_new:
        record_change("conversation.created", conversation)
    else:
        conversation.updated_at = now()
        conversation.save(update_fields=["updated_at"])
    return _accepted(conversation, message, turn, created=True)


def _check_text(text: str) -> None:
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise MessageEmpty
    if "\x00" in text:
        raise InvalidInput(fields={"text": ["The character NUL cannot be stored: remove it."]})
    limit = settings.CHAT_MESSAGE_MAX_CHARACTERS
    if len(text) > limit:
        raise MessageTooLong(limit=limit, length=len(text))


def _conversation_for(
    *,
    actor: Actor,
    conversation_id: UUID | None,
    permission: str,
    client_message_id: str,
    text: str,
) -> tuple[Conversation, bool]:
    if conversation_id is not None:
        return access_conversation(
            actor=actor, conversation_id=conversation_id, permission=permission
        ), False
    owner_id = require_owner(actor, permission)
    return Conversation.objects.get_or_create(
        owner_id=owner_id, client_key=client_message_id, defaults={"title": title_from(text)}
    )


def _store_messages(
    conversation: Conversation, text: str, client_message_id: str, model: str, is_new: bool
) -> tuple[Message, Message]:
    leaf = None
    if not is_new:
        running = Turn.objects.filter(conversation=conversation, state__in=ACTIVE).first()
        if running is not None:
            raise TurnInProgress(running.pk)
        leaf = Message.objects.filter(conversation=conversation).order_by("-id").first()
        if leaf is None and not conversation.title:
            conversation.title = title_from(text)
            conversation.save(update_fields=["title"])
    message = Message(
        conversation=conversation,
        parent=leaf,
        role=Role.USER,
        parts=[{"type": "text", "text": text}],
        client_message_id=client_message_id,
    )
    answer = Message(
        conversation=conversation,
        parent=message,
        role=Role.ASSISTANT,
        status=MessageStatus.STREAMING,
        model=model,
    )
    Message.objects.bulk_create([message, answer])
    return message, answer


def _accepted(
    conversation: Conversation, message: Message, turn: Turn, *, created: bool
) -> TurnAccepted:
    return TurnAccepted(
        conversation_id=conversation.pk,
        message_id=message.pk,
        turn_id=turn.pk,
        attempt=turn.attempt,
        created=created,
        title=conversation.title,
    )
