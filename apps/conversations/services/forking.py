"""Copying a branch into a conversation of its own."""

from uuid import UUID

from django.db import IntegrityError, transaction

from apps.conversations.attachments import services as attachments
from apps.conversations.contracts import ConversationView, MessageKind, MessageStatus
from apps.conversations.errors import MessageNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.registry import fork_copiers
from apps.conversations.selectors import (
    access_conversation,
    get_conversation_view,
    list_branch,
    require_owner,
)
from apps.conversations.services.changes import Change, announce, record_change
from apps.conversations.services.options import end_of_temporary
from apps.conversations.services.personas import find_persona
from apps.core.errors import Conflict
from apps.core.ids import new_id
from apps.core.scope import Actor

FORK_MESSAGES_MAX = 10_000
_BATCH = 500
_KEPT = (
    "model",
    "mode",
    "system_instruction",
    "temperature",
    "memory_enabled",
    "show_reasoning",
    "sensitive",
    "tools",
    "temporary",
)


def fork_conversation(
    *,
    actor: Actor,
    permission: str,
    conversation_id: UUID,
    message_id: UUID,
    client_key: str = "",
) -> ConversationView:
    """Copy the branch up to a message into a new conversation of the actor's own.

    Messages get new ids; commands stay behind; an answer that is still being written is copied as
    far as it got. A fork of a temporary conversation is temporary as well.

    Args:
        actor: Who forks, and owns the copy.
        permission: What the actor must hold.
        conversation_id: Where the branch is.
        message_id: Its last message.
        client_key: The client's own id of this request: the same one again returns the first copy.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        MessageNotFound: The message is not in this conversation.
    """
    for _attempt in range(2):
        try:
            copy_id = _fork_once(
                actor=actor,
                permission=permission,
                conversation_id=conversation_id,
                message_id=message_id,
                client_key=client_key,
            )
        except IntegrityError:  # a twin of this request committed first: look again
            continue
        return get_conversation_view(actor=actor, conversation_id=copy_id, permission=permission)
    raise Conflict


@transaction.atomic(durable=True)
def _fork_once(
    *, actor: Actor, permission: str, conversation_id: UUID, message_id: UUID, client_key: str
) -> UUID:
    owner_id = require_owner(actor, permission)
    source = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    if not Message.objects.filter(pk=message_id, conversation=source).exists():
        raise MessageNotFound
    if client_key:
        made = Conversation.objects.filter(owner_id=owner_id, client_key=client_key).first()
        if made is not None:
            return made.pk
    copy = _new_like(source, owner_id)
    copy.client_key = client_key
    copy.save(force_insert=True)
    ids = _copy_branch(copy, list_branch(leaf_id=message_id, limit=FORK_MESSAGES_MAX))
    for copier in fork_copiers():
        copier(copy.pk, owner_id, ids)
    record_change("conversation.forked", copy, source=str(source.pk), messages=len(ids))
    announce(Change(conversation=copy, columns=("leaf",), copied=True))
    return copy.pk


def _new_like(source: Conversation, owner_id: UUID) -> Conversation:
    copy = Conversation(owner_id=owner_id, title=source.title, origin="fork")
    copy.titled_by = source.titled_by
    for name in _KEPT:
        setattr(copy, name, getattr(source, name))
    # Another person's own persona stays theirs: what it said remains, what it is told does not.
    if find_persona(slug=source.persona, owner_id=owner_id) is not None:
        copy.persona = source.persona
    if copy.temporary:
        copy.expires_at = end_of_temporary()
    return copy


def _copy_branch(copy: Conversation, branch: list[Message]) -> dict[UUID, UUID]:
    ids: dict[UUID, UUID] = {}
    rows: list[Message] = []
    parent: Message | None = None
    for message in branch:
        if message.kind == MessageKind.COMMAND:
            continue
        if message.status == MessageStatus.STREAMING and not message.parts:
            continue
        row = Message(
            id=new_id(),
            conversation=copy,
            parent=parent,
            role=message.role,
            parts=message.parts,
            status=MessageStatus.INTERRUPTED
            if message.status == MessageStatus.STREAMING
            else message.status,
            model=message.model,
            author_id=message.author_id,
            pinned_at=message.pinned_at,
            created_at=message.created_at,
        )
        ids[message.pk] = row.pk
        rows.append(row)
        parent = row
    Message.objects.bulk_create(rows, batch_size=_BATCH)
    _copy_files(branch, {row.pk: row for row in rows}, ids)
    copy.leaf = parent
    return ids


def _copy_files(branch: list[Message], rows: dict[UUID, Message], ids: dict[UUID, UUID]) -> None:
    """Give the copies the same files; each copy keeps them alive for itself."""
    for message in branch:
        row = rows.get(ids.get(message.pk, message.pk))
        if row is None or not any(part.get("type") == "attachment" for part in row.parts):
            continue
        # Not the author's, who has no part in this conversation.
        files = attachments.copy_attachments(
            from_message_id=message.pk, to_message=row, owner_id=row.conversation.owner_id
        )
        row.parts = [part for part in row.parts if part.get("type") != "attachment"] + files
        row.save(update_fields=["parts"])
