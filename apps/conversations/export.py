"""Exports: the whole tree as JSON of our own, or the shown branch as Markdown, page by page.

Written while it is read: neither a long conversation nor a slow client holds memory or a database
connection. The same conversation gives the same bytes, so that exports can be compared.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from django.db import connection

from apps.conversations.contracts import (
    AttachmentPart,
    ConversationView,
    MessageKind,
    MessageView,
)
from apps.conversations.domain.transfer import FORMAT, FORMAT_VERSION
from apps.conversations.models.messages import Message
from apps.conversations.rendering import as_json
from apps.conversations.selectors import message_views, with_turns
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import TenantRef
from apps.providers.contracts import Role

_PAGE = 200
_CONVERSATION = (
    "id", "title", "model", "persona", "mode", "system_instruction", "temperature", "tags",
    "created_at", "updated_at", "leaf_id",
)  # fmt: skip
_MESSAGE = (
    "id", "parent_id", "role", "kind", "status", "model", "author_id", "pinned", "created_at",
    "text", "parts",
)  # fmt: skip
_BRANCH_IDS = """
WITH RECURSIVE branch(id, parent_id, distance) AS (
    SELECT id, parent_id, 0 FROM conversations_message WHERE id = %s
    UNION ALL
    SELECT m.id, m.parent_id, b.distance + 1
    FROM conversations_message m JOIN branch b ON m.id = b.parent_id
)
SELECT id FROM branch ORDER BY distance DESC
"""


def file_name(view: ConversationView, extension: str) -> str:
    """Return an ASCII name for the download: the title as far as it goes."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", view.title).strip("-").lower()[:60].strip("-")
    return f"{words or 'conversation'}.{extension}"


async def json_export(
    view: ConversationView, *, viewer: UUID, tenant: TenantRef
) -> AsyncIterator[str]:
    """Write format `karen.conversation`, version 1: every message of every branch."""
    shown = as_json(view)
    about = {name: shown[name] for name in _CONVERSATION}
    head = json.dumps(
        {"format": FORMAT, "version": FORMAT_VERSION, "conversation": about}, ensure_ascii=False
    )
    yield head.removesuffix("}") + ', "messages": ['
    after: UUID | None = None
    while True:
        with scope.tenant_scope(tenant):
            page = await tenant_db(_page_after, view.id, after, viewer)
        if not page:
            break
        rows = [as_json(message) for message in page]
        told = [
            json.dumps({name: row[name] for name in _MESSAGE}, ensure_ascii=False) for row in rows
        ]
        yield (",\n" if after else "\n") + ",\n".join(told)
        after = page[-1].id
    yield "\n]}\n"


async def markdown_export(
    view: ConversationView, *, viewer: UUID, tenant: TenantRef
) -> AsyncIterator[str]:
    """Write the branch that is shown, for people to read."""
    yield f"# {view.title or 'Conversation'}\n"
    with scope.tenant_scope(tenant):
        ids = await tenant_db(_branch_ids, view.leaf_id)
    for start in range(0, len(ids), _PAGE):
        with scope.tenant_scope(tenant):
            page = await tenant_db(_page_of, ids[start : start + _PAGE], viewer)
        yield "".join(_section(message) for message in page)


def _page_after(conversation_id: UUID, after: UUID | None, viewer: UUID) -> list[MessageView]:
    rows = Message.objects.filter(conversation_id=conversation_id)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return message_views(with_turns(rows, viewer=viewer).order_by("id")[:_PAGE])


def _page_of(ids: Sequence[UUID], viewer: UUID) -> list[MessageView]:
    rows = with_turns(Message.objects.filter(pk__in=ids), viewer=viewer)
    by_id = {view.id: view for view in message_views(rows)}
    return [by_id[one] for one in ids if one in by_id]


def _branch_ids(leaf_id: UUID | None) -> list[UUID]:
    if leaf_id is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_BRANCH_IDS, [leaf_id])
        return [row[0] for row in cursor.fetchall()]


def _section(message: MessageView) -> str:
    if message.kind is MessageKind.COMMAND:
        return ""
    who = "Person" if message.role == Role.USER else "Karen"
    if message.model:
        who += f" ({message.model})"
    files = [f"- {p.name}" for p in message.parts if isinstance(p, AttachmentPart)]
    pieces = [f"\n## {who}", *(["\n".join(files)] if files else []), message.text.strip()]
    return "\n\n".join(piece for piece in pieces if piece) + "\n"
