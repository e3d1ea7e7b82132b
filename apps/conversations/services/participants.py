"""Who takes part in a conversation besides its owner: they read, write and see each other."""

from uuid import UUID

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.conversations.contracts import ParticipantView, PersonView
from apps.conversations.errors import OwnerOnly
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.selectors import (
    access_conversation,
    access_own_conversation,
    require_owner,
)
from apps.conversations.services.changes import Change, announce, announce_gone, record_change
from apps.core import scope
from apps.core.errors import Conflict, NotFound
from apps.core.scope import Actor

PARTICIPANTS_MAX = 50
_SOMEBODY = "Former member"


def list_people(*, actor: Actor, permission: str) -> list[PersonView]:
    """Return the members of the workspace who hold `permission`, by what they are called.

    Ids and labels only: an address is nobody else's business.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    require_owner(actor, permission)
    people = accounts.list_people_who_may(scope.require(), permission)
    return [PersonView(id=user_id, label=label) for user_id, label in people]


def list_participants(
    *, actor: Actor, permission: str, conversation_id: UUID
) -> list[ParticipantView]:
    """Return the owner and everybody who takes part.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    labels = dict(accounts.list_people_who_may(scope.require(), permission))
    others = Participant.objects.filter(conversation=conversation).order_by("id")
    people = [(conversation.owner_id, "owner")]
    people += [(user_id, "participant") for user_id in others.values_list("user_id", flat=True)]
    return [
        ParticipantView(id=user_id, label=labels.get(user_id, _SOMEBODY), role=role)
        for user_id, role in people
    ]


@transaction.atomic(durable=True)
def add_participant(
    *, actor: Actor, permission: str, conversation_id: UUID, user_id: UUID
) -> ParticipantView:
    """Let a member of the workspace read a conversation and write in it. Twice is once.

    Raises:
        PermissionDenied: The actor lacks the permission.
        OwnerOnly: The actor only takes part.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        NotFound: Nobody of the workspace who may chat has this id.
        Conflict: It is the owner, there are too many, or the conversation is temporary.
    """
    adder = require_owner(actor, permission)
    conversation = access_own_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    if user_id == conversation.owner_id:
        raise Conflict("You own this conversation already.")
    if conversation.temporary:
        raise Conflict("A temporary conversation is yours alone: nobody can be added.")
    label = _label_of(user_id, permission)
    present = Participant.objects.filter(conversation=conversation)
    if present.exclude(user_id=user_id).count() >= PARTICIPANTS_MAX:
        raise Conflict(f"At most {PARTICIPANTS_MAX} people take part. Remove somebody first.")
    _row, created = Participant.objects.get_or_create(
        conversation=conversation, user_id=user_id, defaults={"added_by": adder}
    )
    if created:
        record_change("conversation.participant_added", conversation, user_id=str(user_id))
        announce(Change(conversation=conversation, touched=False))
    return ParticipantView(id=user_id, label=label, role="participant")


@transaction.atomic(durable=True)
def remove_participant(
    *, actor: Actor, permission: str, conversation_id: UUID, user_id: UUID
) -> None:
    """Take somebody out of a conversation; people may also leave by themselves.

    Raises:
        PermissionDenied: The actor lacks the permission.
        OwnerOnly: The actor only takes part, and it is not themselves who leaves.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        NotFound: The person does not take part.
    """
    conversation = access_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    if actor.id not in {conversation.owner_id, user_id}:
        raise OwnerOnly
    removed, _each = Participant.objects.filter(conversation=conversation, user_id=user_id).delete()
    if not removed:
        raise NotFound
    record_change("conversation.participant_removed", conversation, user_id=str(user_id))
    _leave(conversation, user_id)


def _leave(conversation: Conversation, user_id: UUID) -> None:
    announce(Change(conversation=conversation, touched=False))
    announce_gone(conversation.pk, [user_id])


def _label_of(user_id: UUID, permission: str) -> str:
    person = accounts.actor_for(user_id, scope.require())
    if person is None or not person.may(permission):
        raise NotFound
    labels = dict(accounts.list_people_who_may(scope.require(), permission))
    return labels.get(user_id, _SOMEBODY)
