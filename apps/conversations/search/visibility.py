"""Which conversations search may look into: the one condition, for every way of searching."""

from uuid import UUID

from django.db.models import QuerySet

from apps.conversations.models.conversations import Conversation
from apps.conversations.permissions import CHAT
from apps.conversations.selectors import require_owner, visible_to
from apps.core.scope import Actor


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


def visible_elsewhere(actor: Actor) -> tuple[UUID, list[UUID]]:
    """Return the same condition for an index that cannot join: an owner, and further conversations.

    What Elasticsearch returns is looked up again through `visible_conversations`, so a condition
    that is too wide here finds nothing more, and one that is too narrow finds less.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor may not chat.
    """
    owner_id = require_owner(actor, CHAT)
    others = visible_conversations(actor).exclude(owner_id=owner_id)
    return owner_id, list(others.values_list("pk", flat=True)[:10_000])
