"""Things tests need, made through services; equal ids in two tenants only where a test asks."""

import hashlib
from uuid import UUID

from django.db import transaction

from apps.conversations import hub
from apps.conversations.attachments import blobs
from apps.conversations.attachments.storage import blob_store
from apps.conversations.contracts import Delivery, NewMessage, TurnAccepted
from apps.conversations.models.attachments import Attachment
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef


def send(
    *,
    actor: Actor,
    tenant: TenantRef,
    text: str = "hello",
    conversation_id: UUID | None = None,
    client_message_id: str = "",
    model: str | None = "echo/plain",
    delivery: Delivery = Delivery.REJECT,
) -> TurnAccepted:
    """Send a message as an edge does."""
    with scope.tenant_scope(tenant), scope.actor_scope(actor), scope.correlation_scope():
        return hub.ask(
            actor=actor,
            edge="test",
            wanted=NewMessage(
                conversation_id=conversation_id,
                client_message_id=client_message_id or new_id().hex,
                text=text,
                model=model,
                delivery=delivery,
            ),
        )


def ready_attachment(*, owner_id: UUID, tenant: TenantRef, body: bytes = b"words") -> UUID:
    """Store a file that was checked and read, without running the readers."""
    digest = hashlib.sha256(body).hexdigest()
    with scope.tenant_scope(tenant), transaction.atomic():
        path = blob_store().new_incoming()
        path.write_bytes(body)
        blobs.keep([(path, digest)])
        row = Attachment.objects.create(
            owner_id=owner_id,
            source_digest=digest,
            digest=digest,
            thumbnail_digest=digest,
            name="words.txt",
            media_type="text/plain",
            kind="text",
            size=len(body),
            state="ready",
            text=body.decode(),
        )
    return row.pk


def twin_conversations(
    *, owner_id: UUID, tenants: tuple[TenantRef, TenantRef]
) -> tuple[UUID, UUID]:
    """Make a conversation and a message with equal ids and different texts in both tenants.

    Rows are written directly: no service can be made to choose an id.

    Returns:
        (conversation id, message id), the same in both tenants.
    """
    conversation_id, message_id = new_id(), new_id()
    for ref in tenants:
        with scope.tenant_scope(ref):
            conversation = Conversation.objects.create(
                id=conversation_id, owner_id=owner_id, title=f"title of {ref.slug}"
            )
            Message.objects.create(
                id=message_id,
                conversation=conversation,
                role="user",
                parts=[{"type": "text", "text": f"secret of {ref.slug}"}],
            )
    return conversation_id, message_id
