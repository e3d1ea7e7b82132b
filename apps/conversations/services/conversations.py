"""Starting, renaming and deleting conversations."""

from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.conversations.contracts import CancelledEvent, ConversationView
from apps.conversations.domain.states import ACTIVE
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.turns import Turn
from apps.conversations.selectors import access_conversation, conversation_view, require_owner
from apps.conversations.stream import append_end, request_cancel
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers import selectors as providers

TITLE_LIMIT = 200


@transaction.atomic(durable=True)
def start_conversation(
    *, actor: Actor, permission: str, title: str = "", model: str = ""
) -> ConversationView:
    """Create an empty conversation.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ModelNotFound: `model` is not configured.
        InvalidInput: The title is too long.
    """
    owner_id = require_owner(actor, permission)
    if model:
        providers.get_model(model)
    conversation = Conversation.objects.create(
        owner_id=owner_id, title=_checked_title(title), model=model
    )
    record_change("conversation.created", conversation)
    return conversation_view(conversation)


@transaction.atomic(durable=True)
def rename_conversation(
    *, actor: Actor, conversation_id: UUID, permission: str, title: str
) -> ConversationView:
    """Give a conversation another title.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist or belongs to somebody else.
        InvalidInput: The title is empty or too long.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    old = conversation.title
    conversation.title = _checked_title(title)
    if not conversation.title:
        raise InvalidInput(fields={"title": ["A title cannot be empty."]})
    conversation.updated_at = now()
    conversation.save(update_fields=["title", "updated_at"])
    record_change("conversation.renamed", conversation, old_title=old)
    return conversation_view(conversation)


@transaction.atomic(durable=True)
def delete_conversation(*, actor: Actor, conversation_id: UUID, permission: str) -> None:
    """Delete a conversation with everything in it; a running answer is fenced off.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist or belongs to somebody else.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    record_change("conversation.deleted", conversation)
    active = Turn.objects.filter(conversation=conversation, state__in=ACTIVE).first()
    conversation.delete()
    if active is not None:
        cancelled = CancelledEvent(attempt=active.attempt, message_id=active.answer_id)
        transaction.on_commit(lambda: _end_stream(active.pk, cancelled))


def _end_stream(turn_id: UUID, event: CancelledEvent) -> None:
    request_cancel(turn_id)
    append_end(turn_id, event)


def record_change(action: str, conversation: Conversation, *, old_title: str | None = None) -> None:
    """Write the audit entry of a change; titles are content and stay out of it."""
    audit.record(
        action=action,
        target_type="conversation",
        target_id=conversation.pk,
        target_label=str(conversation.pk),
        data=None if old_title is None else {"title_changed": old_title != conversation.title},
    )


def _checked_title(title: str) -> str:
    cleaned = " ".join(title.split())
    if len(cleaned) > TITLE_LIMIT:
        raise InvalidInput(fields={"title": [f"At most {TITLE_LIMIT} characters."]})
    return cleaned
