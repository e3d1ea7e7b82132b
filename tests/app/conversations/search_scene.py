"""Conversations to search, made quickly: rows as services leave them, indexed as the task does."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.search import indexing
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import TenantRef


def told(
    tenant: TenantRef,
    owner_id: UUID,
    *texts: str,
    title: str = "untitled",
    model: str = "echo/plain",
    at: datetime | None = None,
    parts: Sequence[dict[str, Any]] = (),
    embed: bool = False,
) -> tuple[UUID, list[UUID]]:
    """Make an indexed conversation of `texts`, question and answer in turn.

    Rows are written directly: running a turn for each would make these tests slow.

    Args:
        tenant: Where.
        owner_id: Whose.
        *texts: What is said.
        title: The conversation's title.
        model: The model of the answers.
        at: When all of it was said.
        parts: Further parts of the first message.
        embed: Whether to write vectors, too.

    Returns:
        (conversation id, message ids).
    """
    with scope.tenant_scope(tenant), scope.correlation_scope():
        moment = at or now()
        conversation = Conversation.objects.create(
            owner_id=owner_id, title=title, created_at=moment, updated_at=now()
        )
        ids, parent = [], None
        for number, text in enumerate(texts):
            more = list(parts) if number == 0 else []
            parent = Message.objects.create(
                conversation=conversation,
                parent=parent,
                role="assistant" if number % 2 else "user",
                model=model if number % 2 else "",
                parts=[{"type": "text", "text": text}, *more],
                created_at=moment,
            )
            ids.append(parent.pk)
        indexing.index_conversation(conversation_id=conversation.pk)
        if embed:
            indexing.embed_waiting()
    return conversation.pk, ids
