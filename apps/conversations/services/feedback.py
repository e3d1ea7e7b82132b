"""What people say about single messages: thumbs and comments on answers, and pins."""

from uuid import UUID

from django.db import transaction

from apps.conversations.contracts import MessageKind, MessageStatus, MessageView
from apps.conversations.errors import MessageNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Feedback, Message
from apps.conversations.selectors import (
    access_message,
    message_views,
    require_owner,
    with_turns,
)
from apps.conversations.services.changes import Change, announce, lock_conversation, record_change
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.scope import Actor
from apps.providers.contracts import Role

PINS_MAX = 50


@transaction.atomic(durable=True)
def rate_answer(
    *, actor: Actor, permission: str, message_id: UUID, rating: int, comment: str = ""
) -> MessageView:
    """Keep the actor's thumb, 1 or -1, and comment on an answer; a second one replaces the first.

    Only the actor sees it; it is kept for later evaluation.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
        InvalidInput: It is no answer of the assistant.
        Conflict: It is still being written.
    """
    user_id = require_owner(actor, permission)
    message = access_message(actor=actor, message_id=message_id, permission=permission)
    if message.role != Role.ASSISTANT or message.kind == MessageKind.COMMAND:
        raise InvalidInput(fields={"message_id": ["Only answers of the assistant are rated."]})
    if "\x00" in comment:
        raise InvalidInput(fields={"comment": ["The character NUL cannot be stored: remove it."]})
    conversation = lock_conversation(message.conversation_id)
    if Message.objects.filter(pk=message_id, status=MessageStatus.STREAMING).exists():
        raise Conflict("This answer is still being written. Rate it when it is there.")
    Feedback.objects.update_or_create(
        message=message,
        user_id=user_id,
        defaults={"rating": rating, "comment": comment, "updated_at": now()},
    )
    record_change("answer.rated", conversation, message_id=str(message_id), rating=rating)
    return _told(conversation, message_id, user_id, only_for=user_id)


@transaction.atomic(durable=True)
def unrate_answer(*, actor: Actor, permission: str, message_id: UUID) -> MessageView:
    """Take back the actor's feedback; without any, nothing changes.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
    """
    user_id = require_owner(actor, permission)
    message = access_message(actor=actor, message_id=message_id, permission=permission)
    conversation = lock_conversation(message.conversation_id)
    removed, _each = Feedback.objects.filter(message=message, user_id=user_id).delete()
    if not removed:
        return _view_of(message_id, user_id)
    record_change("answer.unrated", conversation, message_id=str(message_id))
    return _told(conversation, message_id, user_id, only_for=user_id)


@transaction.atomic(durable=True)
def pin_message(*, actor: Actor, permission: str, message_id: UUID) -> MessageView:
    """Have the assistant always see a message of its branch; pinned already, nothing changes.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
        InvalidInput: It is a command, which the assistant never sees.
        Conflict: Too many are pinned.
    """
    user_id = require_owner(actor, permission)
    message = access_message(actor=actor, message_id=message_id, permission=permission)
    conversation = lock_conversation(message.conversation_id)
    if set_pin(conversation=conversation, message=message, pinned=True):
        return _told(conversation, message_id, user_id)
    return _view_of(message_id, user_id)


@transaction.atomic(durable=True)
def unpin_message(*, actor: Actor, permission: str, message_id: UUID) -> MessageView:
    """Let a message go again when space is short; not pinned, nothing changes.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
    """
    user_id = require_owner(actor, permission)
    message = access_message(actor=actor, message_id=message_id, permission=permission)
    conversation = lock_conversation(message.conversation_id)
    if set_pin(conversation=conversation, message=message, pinned=False):
        return _told(conversation, message_id, user_id)
    return _view_of(message_id, user_id)


def set_pin(*, conversation: Conversation, message: Message, pinned: bool) -> bool:
    """Pin or unpin a message of a locked conversation inside the caller's transaction.

    Returns:
        Whether that changed anything; the caller announces it.

    Raises:
        InvalidInput: It is a command.
        Conflict: Too many are pinned.
    """
    mine = Message.objects.filter(pk=message.pk, conversation=conversation)
    if not pinned:
        changed = mine.filter(pinned_at__isnull=False).update(pinned_at=None)
    else:
        if message.kind == MessageKind.COMMAND:
            raise InvalidInput(fields={"message_id": ["The assistant never sees commands."]})
        pins = Message.objects.filter(conversation=conversation, pinned_at__isnull=False)
        if pins.exclude(pk=message.pk).count() >= PINS_MAX:
            raise Conflict(f"{PINS_MAX} messages are pinned here already. Unpin one first.")
        changed = mine.filter(pinned_at__isnull=True).update(pinned_at=now())
    if changed:
        action = "message.pinned" if pinned else "message.unpinned"
        record_change(action, conversation, message_id=str(message.pk))
    return bool(changed)


def _told(
    conversation: Conversation, message_id: UUID, viewer: UUID, *, only_for: UUID | None = None
) -> MessageView:
    announce(
        Change(conversation=conversation, messages=[message_id], only_for=only_for, touched=False)
    )
    return _view_of(message_id, viewer)


def _view_of(message_id: UUID, viewer: UUID) -> MessageView:
    rows = message_views(with_turns(Message.objects.filter(pk=message_id), viewer=viewer))
    if not rows:
        raise MessageNotFound
    return rows[0]
