"""Reading conversations: gates, lists, and the mapping from rows to contracts."""

from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from apps.conversations.contracts import (
    BranchMessage,
    ConversationView,
    FeedbackView,
    FolderView,
    MessageKind,
    MessagePart,
    MessageStatus,
    MessageView,
    Mode,
    ReasoningPart,
    TurnKind,
    TurnState,
    TurnView,
    message_parts,
)
from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import (
    ConversationNotFound,
    MessageNotFound,
    OwnerOnly,
    TurnNotFound,
)
from apps.conversations.models.conversations import Conversation, Folder, Participant
from apps.conversations.models.messages import Feedback, Message
from apps.conversations.models.turns import Turn
from apps.core.envelope import ErrorBody
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.scope import Actor
from apps.providers.contracts import Role

_active_turn = Subquery(
    Turn.objects.filter(conversation=OuterRef("pk"), state__in=ACTIVE)
    .order_by("id")
    .values("pk")[:1]
)
_participants = ArraySubquery(
    Participant.objects.filter(conversation=OuterRef("pk")).order_by("user_id").values("user_id")
)


def visible_to(user_id: UUID) -> Q:
    """Return the condition under which a person sees a conversation; nothing else says it."""
    takes_part = Participant.objects.filter(conversation=OuterRef("pk"), user_id=user_id)
    return Q(owner_id=user_id) | Q(Exists(takes_part))


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


def access_conversation(
    *, actor: Actor, conversation_id: UUID, permission: str, lock: bool = False
) -> Conversation:
    """Return a conversation the actor owns or takes part in, if the actor holds `permission`.

    With `lock` its row stays locked until the transaction ends. Lock turns before conversations,
    never the other way round: answers end in that order.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    user_id = require_owner(actor, permission)
    rows = Conversation.objects.select_for_update(no_key=True) if lock else Conversation.objects
    found = rows.filter(visible_to(user_id), pk=conversation_id).first()
    if found is None:
        raise ConversationNotFound
    return found


def access_own_conversation(
    *, actor: Actor, conversation_id: UUID, permission: str, lock: bool = False
) -> Conversation:
    """Return a conversation the actor owns: participants may not delete, share or invite.

    Raises:
        PermissionDenied: The actor lacks the permission.
        OwnerOnly: The actor only takes part.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    found = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=lock
    )
    if found.owner_id != actor.id:
        raise OwnerOnly
    return found


def access_message(*, actor: Actor, message_id: UUID, permission: str) -> Message:
    """Return a message of a conversation that the actor may see.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
    """
    user_id = require_owner(actor, permission)
    seen = Conversation.objects.filter(visible_to(user_id))
    found = (
        Message.objects.select_related("conversation")
        .filter(pk=message_id, conversation__in=seen)
        .first()
    )
    if found is None:
        raise MessageNotFound
    return found


def access_turn(*, actor: Actor, turn_id: UUID, permission: str) -> Turn:
    """Return a turn in a conversation the actor may see, if the actor holds `permission`.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist, or is not the actor's to see.
    """
    user_id = require_owner(actor, permission)
    seen = Conversation.objects.filter(visible_to(user_id))
    found = (
        Turn.objects.select_related("conversation")
        .filter(pk=turn_id, conversation__in=seen)
        .first()
    )
    if found is None:
        raise TurnNotFound
    return found


def with_details(rows: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Add what `conversation_view` needs to conversations."""
    return rows.annotate(active_turn_id=_active_turn, participant_ids=_participants)


def list_conversations(*, actor: Actor, permission: str) -> QuerySet[Conversation]:
    """Return the conversations that the actor may see, last used first.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    user_id = require_owner(actor, permission)
    return with_details(Conversation.objects.filter(visible_to(user_id)))


def participant_ids(row: Conversation) -> tuple[UUID, ...]:
    """Return who takes part besides the owner, of a row of `with_details`."""
    return tuple(getattr(row, "participant_ids", None) or ())


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
    viewer = require_owner(actor, permission)
    return with_turns(Message.objects.filter(conversation=conversation), viewer=viewer)


def with_turns(rows: QuerySet[Message], *, viewer: UUID) -> QuerySet[Message]:
    """Add what `message_views` needs to messages, as `viewer` sees them."""
    mine = Feedback.objects.filter(message=OuterRef("pk"), user_id=viewer)
    return rows.annotate(
        of_turn_id=F("answered_turn__id"),
        shows_reasoning=F("conversation__show_reasoning"),
        turn_error=F("answered_turn__error"),
        my_rating=Subquery(mine.values("rating")[:1]),
        my_comment=Subquery(mine.values("comment")[:1]),
    )


def find_sent_message(*, conversation: Conversation, client_message_id: str) -> Message | None:
    """Return the message that a client sent under its own id before."""
    return Message.objects.filter(
        conversation=conversation, client_message_id=client_message_id
    ).first()


_BRANCH = """
WITH RECURSIVE branch(id, parent_id, distance) AS (
    SELECT id, parent_id, 0 FROM conversations_message WHERE id = %s
    UNION ALL
    SELECT m.id, m.parent_id, b.distance + 1
    FROM conversations_message m JOIN branch b ON m.id = b.parent_id
    WHERE b.distance + 1 < %s
)
SELECT m.*, b.distance FROM branch b JOIN conversations_message m ON m.id = b.id
ORDER BY b.distance DESC
"""
BRANCH_LIMIT = 1_000


def list_branch(*, leaf_id: UUID, limit: int = BRANCH_LIMIT) -> list[Message]:
    """Return the last `limit` messages on the path from the root to a message, oldest first.

    One query, whose cost grows with the branch and not with the conversation.
    """
    return list(Message.objects.raw(_BRANCH, [leaf_id, limit]))


def branch_messages(*, leaf_id: UUID, limit: int = BRANCH_LIMIT) -> tuple[BranchMessage, ...]:
    """Return the branch up to a message as a model may see it: without commands."""
    return tuple(
        BranchMessage(
            id=row.pk,
            role=Role(row.role),
            text=row.text,
            parts=message_parts.validate_python(row.parts),
            pinned=row.pinned_at is not None,
            author_id=row.author_id,
            created_at=row.created_at,
        )
        for row in list_branch(leaf_id=leaf_id, limit=limit)
        if row.kind == MessageKind.CHAT
    )


_DEEPEST = """
WITH RECURSIVE down(id, depth) AS (
    SELECT %s::uuid, 0
    UNION ALL
    SELECT (SELECT m.id FROM conversations_message m WHERE m.parent_id = d.id
            ORDER BY m.id DESC LIMIT 1), d.depth + 1
    FROM down d WHERE d.id IS NOT NULL
)
SELECT m.* FROM down d JOIN conversations_message m ON m.id = d.id ORDER BY d.depth DESC LIMIT 1
"""


def deepest_of(*, message_id: UUID) -> Message:
    """Return the end of the newest branch through a message: its last child, and so on."""
    return Message.objects.raw(_DEEPEST, [message_id])[0]


def folder_views(*, owner_id: UUID) -> list[FolderView]:
    """Return a person's folders in their order."""
    return [
        FolderView(id=row.pk, name=row.name, position=row.position, created_at=row.created_at)
        for row in Folder.objects.filter(owner_id=owner_id)
    ]


def _error_of(stored: object) -> ErrorBody | None:
    # Written by `finish_turn` from an ErrorBody; JSON keeps its shape.
    return cast("ErrorBody", stored) if stored is not None else None


def _shown_parts(row: Message) -> tuple[MessagePart, ...]:
    parts = message_parts.validate_python(row.parts)
    if getattr(row, "shows_reasoning", False):
        return parts
    return tuple(part for part in parts if not isinstance(part, ReasoningPart))


def _feedback_of(row: Message) -> FeedbackView | None:
    rating = getattr(row, "my_rating", None)
    if rating is None:
        return None
    return FeedbackView(rating=rating, comment=getattr(row, "my_comment", "") or "")


def conversation_view(row: Conversation) -> ConversationView:
    """Map a row of `with_details`."""
    return ConversationView(
        id=row.pk,
        title=row.title,
        model=row.model,
        created_at=row.created_at,
        updated_at=row.updated_at,
        active_turn_id=getattr(row, "active_turn_id", None),
        owner_id=row.owner_id,
        version=row.version,
        leaf_id=row.leaf_id,
        persona=row.persona,
        mode=Mode(row.mode),
        system_instruction=row.system_instruction,
        temperature=row.temperature,
        memory_enabled=row.memory_enabled,
        show_reasoning=row.show_reasoning,
        tools=None if row.tools is None else tuple(row.tools),
        folder_id=row.folder_id,
        tags=tuple(row.tags),
        pinned=row.pinned_at is not None,
        archived=row.archived_at is not None,
        temporary=row.temporary,
        participants=participant_ids(row),
    )


def message_views(
    rows: Iterable[Message], *, turn_ids: Mapping[UUID, UUID] | None = None
) -> list[MessageView]:
    """Map rows of `with_turns`, or rows just made with `turn_ids` by their own id."""
    return [
        MessageView(
            id=row.pk,
            parent_id=row.parent_id,
            role=Role(row.role),
            text=row.text,
            status=MessageStatus(row.status),
            turn_id=(turn_ids or {}).get(row.pk) or getattr(row, "of_turn_id", None),
            model=row.model,
            created_at=row.created_at,
            error=_error_of(getattr(row, "turn_error", None)),
            conversation_id=row.conversation_id,
            parts=_shown_parts(row),
            kind=MessageKind(row.kind),
            author_id=row.author_id,
            pinned=row.pinned_at is not None,
            feedback=_feedback_of(row),
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
        kind=TurnKind(turn.kind),
        level=turn.level,
        blocked_by=turn.blocked_by_id,
        correlation_id=turn.correlation_id,
    )
