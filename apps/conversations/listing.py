"""Filters of the list of conversations."""

from typing import Annotated, Literal
from uuid import UUID

from django.db.models import QuerySet
from pydantic import BaseModel, ConfigDict, Field

from apps.conversations.models.conversations import Conversation
from apps.conversations.selectors import list_conversations
from apps.core.scope import Actor


class ConversationFilters(BaseModel):
    """Which conversations to list; a filter that is absent lets all through.

    Attributes:
        folder: Only those in this folder; `none` for those in no folder.
        q: Words of the title, letter case aside.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    folder: UUID | Literal["none"] | None = None
    tag: Annotated[str, Field(max_length=40)] = ""
    archived: bool | None = None
    pinned: bool | None = None
    q: Annotated[str, Field(max_length=200)] = ""


def list_filtered(
    *, actor: Actor, permission: str, filters: ConversationFilters
) -> QuerySet[Conversation]:
    """Return the conversations that the actor may see and `filters` let through.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = list_conversations(actor=actor, permission=permission)
    if filters.folder == "none":
        rows = rows.filter(folder__isnull=True)
    elif filters.folder is not None:
        rows = rows.filter(folder_id=filters.folder)
    if filters.tag:
        rows = rows.filter(tags__contains=[filters.tag])
    if filters.archived is not None:
        rows = rows.filter(archived_at__isnull=not filters.archived)
    if filters.pinned is not None:
        rows = rows.filter(pinned_at__isnull=not filters.pinned)
    for word in filters.q.replace("\x00", "").split():
        rows = rows.filter(title__icontains=word)
    return rows
