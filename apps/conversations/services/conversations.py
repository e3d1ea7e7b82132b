"""Starting, configuring and deleting conversations, and choosing the branch that is shown."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.conversations.attachments import services as attachments
from apps.conversations.contracts import CancelledEvent, ConversationOptions, ConversationView
from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import MessageNotFound
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.notices import forget_notices
from apps.conversations.search.outbox import note_removing
from apps.conversations.selectors import (
    access_conversation,
    access_own_conversation,
    deepest_of,
    get_conversation_view,
    require_owner,
)
from apps.conversations.services.changes import (
    Change,
    announce,
    announce_gone,
    record_change,
)
from apps.conversations.services.options import apply_options
from apps.conversations.stream import append_end, forget_streams, request_cancel
from apps.core.clock import now
from apps.core.scope import Actor
from apps.memory import services as memory


@transaction.atomic(durable=True)
def start_conversation(
    *, actor: Actor, permission: str, options: ConversationOptions | None = None
) -> ConversationView:
    """Create an empty conversation.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ModelNotFound: The model is not configured.
        InvalidInput: An option cannot be used.
    """
    conversation = Conversation(owner_id=require_owner(actor, permission))
    apply_options(actor=actor, conversation=conversation, options=options or ConversationOptions())
    conversation.save(force_insert=True)
    record_change("conversation.created", conversation)
    announce(Change(conversation=conversation))
    return get_conversation_view(
        actor=actor, conversation_id=conversation.pk, permission=permission
    )


@transaction.atomic(durable=True)
def configure_conversation(
    *, actor: Actor, conversation_id: UUID, permission: str, options: ConversationOptions
) -> ConversationView:
    """Change the given options of a conversation; those not given stay.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        ModelNotFound: The model is not configured.
        InvalidInput: An option cannot be used.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    change_options(actor=actor, conversation=conversation, options=options)
    return get_conversation_view(
        actor=actor, conversation_id=conversation_id, permission=permission
    )


def change_options(
    *, actor: Actor, conversation: Conversation, options: ConversationOptions
) -> list[str]:
    """Configure a locked conversation inside the caller's transaction.

    What memory has of a conversation that is marked as sensitive is forgotten: it would go into
    other prompts, and those to models that nobody trusts.

    Returns:
        The names of the columns that were written.

    Raises:
        KarenError: As `apply_options`.
    """
    showed = conversation.show_reasoning
    columns = apply_options(actor=actor, conversation=conversation, options=options)
    if "sensitive" in columns and conversation.sensitive:
        _forget_remembered(conversation)
    if columns:
        record_change("conversation.configured", conversation, changed=sorted(columns))
        messages = [] if conversation.show_reasoning == showed else _with_reasoning(conversation)
        announce(
            Change(conversation=conversation, columns=columns, messages=messages, touched=False)
        )
    return columns


def _forget_remembered(conversation: Conversation) -> None:
    """Erase from memory what was said in a locked conversation, and what only that has taught."""
    said = Message.objects.filter(conversation=conversation).values_list("pk", flat=True)
    memory.forget_messages(message_ids=list(said))


def _with_reasoning(conversation: Conversation) -> list[UUID]:
    """Return the messages that look different once reasoning is shown, or no longer is."""
    thought = Message.objects.filter(
        conversation=conversation, parts__contains=[{"type": "reasoning"}]
    )
    return list(thought.values_list("pk", flat=True))


@transaction.atomic(durable=True)
def show_branch(
    *, actor: Actor, conversation_id: UUID, permission: str, message_id: UUID
) -> ConversationView:
    """Show the newest branch through a message; the next message continues it.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        MessageNotFound: The message is not in this conversation.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    if not Message.objects.filter(pk=message_id, conversation=conversation).exists():
        raise MessageNotFound
    conversation.leaf = deepest_of(message_id=message_id)
    announce(Change(conversation=conversation, columns=("leaf",), touched=False))
    return get_conversation_view(
        actor=actor, conversation_id=conversation_id, permission=permission
    )


@transaction.atomic(durable=True)
def delete_conversation(*, actor: Actor, conversation_id: UUID, permission: str) -> None:
    """Delete a conversation with everything in it; running answers are fenced off.

    Raises:
        PermissionDenied: The actor lacks the permission.
        OwnerOnly: The actor only takes part.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    access_own_conversation(actor=actor, conversation_id=conversation_id, permission=permission)
    _lock_turns([conversation_id])
    conversation = access_own_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    record_change("conversation.deleted", conversation)
    erase(conversation)


def _lock_turns(conversation_ids: Sequence[UUID]) -> None:
    """Lock what runs in conversations, before they are: an answer ends in that order, too."""
    running = Turn.objects.filter(conversation__in=conversation_ids, state__in=ACTIVE)
    list(running.select_for_update(of=("self",)).order_by("id").values_list("pk", flat=True))


def erase(conversation: Conversation) -> None:
    """Remove a locked conversation, whose running turns are locked, and end what runs in it.

    Of a temporary one nothing stays: neither the logs of its turns nor what people's other tabs
    were told of it.
    """
    people = {
        conversation.owner_id,
        *Participant.objects.filter(conversation=conversation).values_list("user_id", flat=True),
    }
    turns = Turn.objects.filter(conversation=conversation)
    active = list(turns.filter(state__in=ACTIVE))
    ended = list(turns.exclude(state__in=ACTIVE).values_list("pk", flat=True))
    temporary, conversation_id = conversation.temporary, conversation.pk
    if temporary:
        transaction.on_commit(lambda: _forget(conversation_id, people, ended))
    announce_gone(conversation.pk, people)
    attachments.remove_of_conversation(conversation.pk)
    note_removing(conversation.pk)
    if not temporary:  # memory was never handed anything of a temporary one
        _forget_remembered(conversation)
    conversation.delete()
    ends = [
        (turn.pk, CancelledEvent(attempt=turn.attempt, message_id=turn.answer_id))
        for turn in active
    ]
    transaction.on_commit(lambda: _end_streams(ends))


def _end_streams(ends: list[tuple[UUID, CancelledEvent]]) -> None:
    for turn_id, event in ends:
        request_cancel(turn_id)
        append_end(turn_id, event)


def _forget(conversation_id: UUID, people: set[UUID], turn_ids: list[UUID]) -> None:
    forget_streams(turn_ids)
    forget_notices(conversation_id, people)


@transaction.atomic(durable=True)
def erase_expired(*, limit: int = 100) -> int:
    """Erase temporary conversations of the workspace whose time is over, oldest first.

    Returns:
        How many were erased; `limit` of them means that there may be more.
    """
    due = Conversation.objects.filter(expires_at__lte=now()).order_by("expires_at")
    ids = list(due.values_list("pk", flat=True)[:limit])
    _lock_turns(ids)
    expired = Conversation.objects.select_for_update(skip_locked=True).filter(pk__in=ids)
    erased = 0
    for conversation in expired:
        record_change("conversation.expired", conversation)
        erase(conversation)
        erased += 1
    return erased
