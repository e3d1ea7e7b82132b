"""Which conversations search may look into: the one condition, for every way of searching."""

from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from apps.conversations.models.conversations import Conversation
from apps.conversations.permissions import CHAT
from apps.conversations.search.contracts import Filters
from apps.conversations.search.postgres import Sql
from apps.conversations.selectors import require_owner, visible_to
from apps.core.frozen import FrozenQuery
from apps.core.scope import Actor

_LISTED_MAX = 10_000  # conversations named in one query; Elasticsearch takes 65,536 terms


def searchable_conversations() -> QuerySet[Conversation]:
    """Return the conversations that may be indexed at all."""
    return Conversation.objects.filter(temporary=False).order_by()


def visible_conversations(actor: Actor) -> QuerySet[Conversation]:
    """Return the conversations whose content the actor may find.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor may not chat.
    """
    return searchable_conversations().filter(visible_to(require_owner(actor, CHAT)))


# Narrower or wider than `visible_to` it would cost answers or time, never show anything.
_OTHERS = """
SELECT EXISTS (
    SELECT FROM conversations_conversation c
    WHERE c.owner_id = %s AND c.id <> %s AND NOT c.temporary
) OR EXISTS (
    SELECT FROM conversations_participant p
    JOIN conversations_conversation c ON c.id = p.conversation_id
    WHERE p.user_id = %s AND c.id <> %s AND NOT c.temporary
)
"""


def has_other_conversations(actor: Actor, *, than: UUID) -> bool:
    """Say whether the actor may find anything outside one conversation.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor may not chat.
    """
    user_id = require_owner(actor, CHAT)
    with connection.cursor() as cursor:  # asked before every answer
        cursor.execute(_OTHERS, [user_id, than, user_id, than])
        return bool(cursor.fetchone()[0])


def narrowed(visible: QuerySet[Conversation], filters: Filters) -> QuerySet[Conversation]:
    """Return those of `visible` conversations that `filters` ask for."""
    if filters.pinned is not None:
        visible = visible.filter(pinned_at__isnull=not filters.pinned)
    if filters.archived is not None:
        visible = visible.filter(archived_at__isnull=not filters.archived)
    if filters.folder_id is not None:
        visible = visible.filter(folder_id=filters.folder_id)
    if filters.tag is not None:
        visible = visible.filter(tags__contains=[filters.tag])
    if filters.unmarked:
        visible = visible.filter(sensitive=False)
    return visible


def sql_of_visible(actor: Actor, filters: Filters) -> Sql:
    """Return the ids of the conversations that are looked into, as a subquery.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor may not chat.
    """
    if filters.about_conversations:
        narrow = narrowed(visible_conversations(actor), filters)
        text, given = narrow.only("pk").query.sql_with_params()
        return Sql(text, list(given))
    statement = _all_unmarked if filters.unmarked else _all_visible
    text, params = statement.sql(user_id=require_owner(actor, CHAT))
    return Sql(text, params)


def _visible_ids(*, user_id: UUID) -> QuerySet[Conversation]:
    return searchable_conversations().filter(visible_to(user_id)).only("pk")


def _unmarked_ids(*, user_id: UUID) -> QuerySet[Conversation]:
    return _visible_ids(user_id=user_id).filter(sensitive=False)


_all_visible = FrozenQuery(_visible_ids, "user_id")
_all_unmarked = FrozenQuery(_unmarked_ids, "user_id")


def visible_elsewhere(actor: Actor, filters: Filters) -> tuple[UUID | None, list[UUID]]:
    """Return the same for an index that cannot join: an owner, and further conversations.

    What Elasticsearch returns is looked up again through `visible_conversations`, so a condition
    that is too wide here finds nothing more, and one that is too narrow finds less.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor may not chat.
    """
    owner_id = require_owner(actor, CHAT)
    visible = visible_conversations(actor)
    if filters.about_conversations:
        listed = narrowed(visible, filters)
        return None, list(listed.order_by("-updated_at").values_list("pk", flat=True)[:_LISTED_MAX])
    others = visible.exclude(owner_id=owner_id).order_by("-updated_at")
    return owner_id, list(others.values_list("pk", flat=True)[:_LISTED_MAX])
