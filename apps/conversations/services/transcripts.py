"""A conversation that a client brings along whole, as clients of the OpenAI API do."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps.conversations.contracts import (
    ConversationOptions,
    ConversationView,
    TextPart,
    Transcript,
)
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.selectors import get_conversation_view, require_owner
from apps.conversations.services.options import apply_options
from apps.core.clock import now
from apps.core.scope import Actor

API_ORIGIN = "api"


@transaction.atomic(durable=True)
def start_from_transcript(
    *, actor: Actor, transcript: Transcript, permission: str
) -> ConversationView:
    """Store what was said before as a temporary conversation that ends with it.

    The client keeps the conversation and sends it again with each request; what is stored here
    carries one turn and is erased with the other temporary conversations.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: An option cannot be used.
    """
    conversation = Conversation(
        owner_id=require_owner(actor, permission),
        temporary=True,
        origin=API_ORIGIN,
        expires_at=now() + timedelta(hours=settings.CHAT_TEMPORARY_HOURS),
    )
    apply_options(
        actor=actor,
        conversation=conversation,
        options=transcript.options or ConversationOptions(),
    )
    conversation.save(force_insert=True)
    messages: list[Message] = []
    for said in transcript.before:
        messages.append(
            Message(
                conversation=conversation,
                parent=messages[-1] if messages else None,
                role=said.role,
                parts=[TextPart(text=said.text.replace("\x00", "")).model_dump(mode="json")],
                author_id=actor.id if said.role == "user" else None,
            )
        )
    Message.objects.bulk_create(messages)
    if messages:
        conversation.leaf = messages[-1]
        conversation.save(update_fields=["leaf"])
    return get_conversation_view(
        actor=actor, conversation_id=conversation.pk, permission=permission
    )
