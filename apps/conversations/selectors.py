"""Reading conversations: gates, lists, and the mapping from rows to contracts."""

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from django.db.models import F, OuterRef, QuerySet, Subquery

from apps.conversations.contracts import (
    ConversationView,
    MessageStatus,
    MessageView,
    TurnState,
    TurnView,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import ConversationNotFound, TurnNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.core.envelope import ErrorBody
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.scope import Actor
from apps.providers.contracts import Role

_active_turn = Subquery(
    Turn.objects.filter(conversation=OuterRef("pk"), state__in=ACTIVE).values("pk")[:1]
)


def require_owner(actor: Actor, permission: str) -> UUID:
    """Return the id under which the actor owns things, if the actor holds `permission`.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor lacks the permission.
    """
    if actor.id is None:
        raise NotAuthenticated
    if not actor.may(permission):
        raise PermissionDenied(permission)
    return actor.id


def access_conversation(*, actor: Actor, conversation_id: UUID, permission: str) -> Conversation:
    """Return a conversation the actor owns, if the actor holds `permission`.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist or belongs to somebody else.
    """
    owner_id = require_owner(actor, permission)
    found = Conversation.objects.filter(pk=conversation_id, owner_id=owner_id).first()
    if found is None:
        raise ConversationNotFound
    return found


def access_turn(*, actor: Actor, turn_id: UUID, permission: str) -> Turn:
    """Return a turn in a conversation the actor owns, if the actor holds `permission`.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist or belongs to somebody else.
    """
    owner_id = require_owner(actor, permission)
    found = (
        Turn.objects.select_related("conversation")
        .filter(pk=turn_id, conversation__owner_id=owner_id)
        .first()
    )
    if found is None:
        raise TurnNotFound
    return found


def list_conversations(*, actor: Actor, permission: str) -> QuerySet[Conversation]:
    """Return the actor's conversations, last used first, each with `active_turn_id`.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    owner_id = require_owner(actor, permission)
    return Conversation.objects.filter(owner_id=owner_id).annotate(active_turn_id=_active_turn)


def get_conversation_view(
    *, actor: Actor, conversation_id: UUID, permission: str
) -> ConversationView:
    """Return one conversation of the actor as a contract.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist or belongs to somebody else.
    """
    found = (
        list_conversations(actor=actor, permission=permission).filter(pk=conversation_id).first()
    )
    if found is None:
        raise ConversationNotFound
    return conversation_view(found)


def list_messages(*, actor: Actor, conversation_id: UUID, permission: str) -> QuerySet[Message]:
    """Return a conversation's messages with what a view of them needs, oldest first.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist or belongs to somebody else.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    return Message.objects.filter(conversation=conversation).annotate(
        of_turn_id=F("answered_turn__id"), turn_error=F("answered_turn__error")
    )


def find_sent_message(*, conversation: Conversation, client_message_id: str) -> Message | None:
    """Return the message that a client sent under its own id before, with its turn."""
    return (
        Message.objects.select_related("turn")
        .filter(conversation=conversation, client_message_id=client_message_id)
        .first()
    )


def list_branch(*, leaf: Message) -> list[Message]:
    """Return the messages from the root to `leaf`, in one query per conversation."""
    by_id = {m.pk: m for m in Message.objects.filter(conversation_id=leaf.conversation_id)}
    branch = [leaf]
    while branch[-1].parent_id is not None:
        branch.append(by_id[branch[-1].parent_id])
    return branch[::-1]


def _error_of(stored: object) -> ErrorBody | None:
    # Written by `finish_turn` from an ErrorBody; JSON keeps its shape.
    return cast("ErrorBody", stored) if stored is not None else None


def conversation_view(row: Conversation) -> ConversationView:
    """Map a row of `list_conversations`."""
    return ConversationView(
        id=row.pk,
        title=row.title,
        model=row.model,
        created_at=row.created_at,
        updated_at=row.updated_at,
        active_turn_id=getattr(row, "active_turn_id", None),
    )


def message_views(rows: Iterable[Message]) -> list[MessageView]:
    """Map rows of `list_messages`."""
    return [
        MessageView(
            id=row.pk,
            parent_id=row.parent_id,
            role=Role(row.role),
            text=row.text,
            status=MessageStatus(row.status),
            turn_id=getattr(row, "of_turn_id", None),
            model=row.model,
            created_at=row.created_at,
            error=_error_of(getattr(row, "turn_error", None)),
        )
        for row in rows
    ]


def turn_view(turn: Turn) -> TurnView:
    """Map a turn."""
    return TurnView(
        id=turn.pk,
        conversation_id=turn.conversation_id,
        message_id=turn.user_message_id,
        answer_id=turn.answer_id,
        state=TurnState(turn.state),
        attempt=turn.attempt,
        model=turn.model,
        finish_reason=turn.finish_reason,
        error=_error_of(turn.error),
        prompt_tokens=turn.prompt_tokens,
        completion_tokens=turn.completion_tokens,
        usage_estimated=turn.usage_estimated,
        created_at=turn.created_at,
        finished_at=turn.finished_at,
    )
