"""Reading conversations: gates, lists, and the mapping from rows to contracts."""

from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from apps.conversations.contracts import (
    BranchMessage,
    ConversationView,
    FolderView,
    MessageKind,
    MessageView,
    TextPart,
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
from apps.conversations.viewing import (
    conversation_view,
    message_views,
    participant_ids,
    replay,
    terminal_event,
    turn_view,
)
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.frozen import FrozenQuery
from apps.core.scope import Actor
from apps.providers.contracts import Role

# Mapped rows belong to reading; callers find both here.
__all__ = [
    "conversation_view",
    "message_views",
    "participant_ids",
    "replay",
    "terminal_event",
    "turn_view",
]


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


def _visible(*, conversation_id: UUID, user_id: UUID) -> QuerySet[Conversation]:
    return Conversation.objects.filter(visible_to(user_id), pk=conversation_id).order_by()


def _visible_locked(*, conversation_id: UUID, user_id: UUID) -> QuerySet[Conversation]:
    rows = _visible(conversation_id=conversation_id, user_id=user_id)
    return rows.select_for_update(no_key=True)


_seen = FrozenQuery(_visible, "conversation_id", "user_id")
_seen_and_locked = FrozenQuery(_visible_locked, "conversation_id", "user_id")


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
    asked = _seen_and_locked if lock else _seen
    found = asked.rows(conversation_id=conversation_id, user_id=user_id)
    if not found:
        raise ConversationNotFound
    return found[0]


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
        Turn.objects.select_related("conversation", "answer")
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


def get_message_view(*, actor: Actor, message_id: UUID, permission: str) -> MessageView:
    """Return one message as the actor sees it.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MessageNotFound: It does not exist, or is not the actor's to see.
    """
    viewer = require_owner(actor, permission)
    found = access_message(actor=actor, message_id=message_id, permission=permission)
    [view] = message_views(with_turns(Message.objects.filter(pk=found.pk), viewer=viewer))
    return view


def list_branch_views(
    *, actor: Actor, conversation_id: UUID, permission: str
) -> tuple[MessageView, ...]:
    """Return the branch of a conversation that is shown, oldest first.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    if conversation.leaf_id is None:
        return ()
    ids = [message.pk for message in list_branch(leaf_id=conversation.leaf_id)]
    rows = with_turns(Message.objects.filter(pk__in=ids), viewer=require_owner(actor, permission))
    views = {view.id: view for view in message_views(rows)}
    return tuple(views[pk] for pk in ids if pk in views)


def find_thread(*, actor: Actor, thread_key: str, permission: str) -> UUID | None:
    """Return the conversation that the actor began under a key of their own, if there is one.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    owner_id = require_owner(actor, permission)
    found = Conversation.objects.filter(owner_id=owner_id, client_key=thread_key)
    return found.values_list("pk", flat=True).first()


def with_turns(rows: QuerySet[Message], *, viewer: UUID) -> QuerySet[Message]:
    """Add what `message_views` needs to messages, as `viewer` sees them."""
    mine = Feedback.objects.filter(message=OuterRef("pk"), user_id=viewer)
    return rows.annotate(
        of_turn_id=F("answered_turn__id"),
        shows_reasoning=F("conversation__show_reasoning"),
        turn_error=F("answered_turn__error"),
        memories_used=Cast(KeyTextTransform("memories", "answered_turn__context"), IntegerField()),
        my_rating=Subquery(mine.values("rating")[:1]),
        my_comment=Subquery(mine.values("comment")[:1]),
    )


def find_sent_message(*, conversation: Conversation, client_message_id: str) -> Message | None:
    """Return the message that a client sent under its own id before."""
    found = Message.objects.raw(_SENT, [conversation.pk, client_message_id])
    return next(iter(found), None)


_SENT = (
    "SELECT * FROM conversations_message WHERE conversation_id = %s AND client_message_id = %s"
    " AND client_message_id <> ''"
)

_SEEN_COLUMNS = "m.id, m.role, m.parts, m.kind, m.pinned_at, m.author_id, m.created_at"
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


# Rows of the model would cost three times as much, and this is read before every answer.
_BRANCH_SEEN = _BRANCH.replace("m.*, b.distance", _SEEN_COLUMNS)


def branch_messages(*, leaf_id: UUID, limit: int = BRANCH_LIMIT) -> tuple[BranchMessage, ...]:
    """Return the branch up to a message as a model may see it: without commands."""
    with connection.cursor() as cursor:
        cursor.execute(_BRANCH_SEEN, [leaf_id, limit])
        rows = cursor.fetchall()
    return tuple(
        BranchMessage(
            id=pk,
            role=Role(role),
            text="".join(part.text for part in said if isinstance(part, TextPart)),
            parts=said,
            pinned=pinned_at is not None,
            author_id=author_id,
            created_at=created_at,
        )
        for pk, role, parts, kind, pinned_at, author_id, created_at in rows
        if kind == MessageKind.CHAT
        for said in [message_parts.validate_json(parts)]  # PostgreSQL's JSON is left as text
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
