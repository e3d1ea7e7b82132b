"""Giving away a read-only snapshot of a branch, and taking it back."""

import hashlib
import hmac
import secrets
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.conversations.contracts import (
    Audience,
    SharedMessage,
    SharedView,
    ShareView,
    Snapshot,
)
from apps.conversations.contracts.parts import AttachmentPart, message_parts
from apps.conversations.contracts.states import MessageKind
from apps.conversations.errors import MessageNotFound, ShareNotFound
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.sharing import Share
from apps.conversations.selectors import (
    access_own_conversation,
    list_branch,
    require_owner,
)
from apps.conversations.services.changes import record_change
from apps.core import scope
from apps.core.clock import now
from apps.core.crypto import derive_key
from apps.core.errors import Conflict, NotAuthenticated
from apps.core.scope import Actor
from apps.providers.contracts import Role
from apps.tenants import selectors as tenants

SHARES_MAX = 100
SHARED_MESSAGES_MAX = 2_000
_SECRET_BYTES = 32
_TOKEN_MAX = 100


@transaction.atomic(durable=True)
def share_conversation(
    *,
    actor: Actor,
    permission: str,
    conversation_id: UUID,
    audience: Audience,
    message_id: UUID | None = None,
) -> ShareView:
    """Keep a snapshot of a branch and return its link, this one time.

    The snapshot holds what was said and nothing else: no instructions, no addresses, no tools, no
    reasoning. What is said later does not show in it.

    Args:
        actor: Who shares; only the owner may.
        permission: What the actor must hold.
        conversation_id: What is shared.
        audience: Who may open the link.
        message_id: The last message of the branch; None for the branch that is shown.

    Raises:
        PermissionDenied: The actor lacks the permission.
        OwnerOnly: The actor only takes part.
        ConversationNotFound: It does not exist, or is not the actor's to see.
        MessageNotFound: The message is not in this conversation.
        Conflict: There is nothing to share yet, it is temporary, or has too many shares.
    """
    user_id = require_owner(actor, permission)
    conversation = access_own_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission, lock=True
    )
    if conversation.temporary:
        raise Conflict("A temporary conversation leaves no trace: it cannot be shared.")
    snapshot = _snapshot(conversation, message_id)
    present = Share.objects.filter(conversation=conversation, revoked_at__isnull=True)
    if present.count() >= SHARES_MAX:
        raise Conflict(f"This conversation is shared {SHARES_MAX} times. Take one back first.")
    token = secrets.token_urlsafe(_SECRET_BYTES)
    share = Share(
        conversation=conversation,
        created_by=user_id,
        token_digest=_digest(token),
        audience=audience.value,
        title=conversation.title,
        snapshot=snapshot.model_dump(mode="json"),
    )
    share.save(force_insert=True)
    record_change(
        "conversation.shared", conversation, share_id=str(share.pk), audience=audience.value
    )
    url = tenants.workspace_url(scope.require(), f"/share/{token}/")
    return _view(share, url=url)


def list_shares(*, actor: Actor, permission: str, conversation_id: UUID) -> list[ShareView]:
    """Return a conversation's shares, newest first; revoked ones too, without their content.

    Raises:
        PermissionDenied: The actor lacks the permission.
        OwnerOnly: The actor only takes part.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    conversation = access_own_conversation(
        actor=actor, conversation_id=conversation_id, permission=permission
    )
    rows = Share.objects.filter(conversation=conversation).defer("snapshot").order_by("-id")
    return [_view(row) for row in rows[:SHARES_MAX]]


@transaction.atomic(durable=True)
def revoke_share(*, actor: Actor, permission: str, share_id: UUID) -> None:
    """Take a share back: its link is dead at once and its content is deleted. Twice is once.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ShareNotFound: It does not exist, or the conversation is not the actor's own.
    """
    user_id = require_owner(actor, permission)
    share = (
        Share.objects.select_for_update(of=("self",))
        .select_related("conversation")
        .filter(pk=share_id, conversation__owner_id=user_id)
        .first()
    )
    if share is None:
        raise ShareNotFound
    if share.revoked_at is not None:
        return
    share.revoked_at = now()
    share.snapshot = {}
    share.save(update_fields=["revoked_at", "snapshot"])
    audit.record(
        action="conversation.unshared",
        target_type="conversation",
        target_id=share.conversation_id,
        target_label=str(share.conversation_id),
        data={"share_id": str(share_id)},
    )


def open_share(*, actor: Actor, token: str) -> SharedView:
    """Return what a link shows to the actor, who may be a stranger.

    Raises:
        ShareNotFound: There is none, or it was revoked.
        NotAuthenticated: It is meant for members, and nobody is signed in.
    """
    if len(token) > _TOKEN_MAX or not token.isascii():
        raise ShareNotFound
    share = Share.objects.filter(token_digest=_digest(token), revoked_at__isnull=True).first()
    if share is None:
        raise ShareNotFound
    audience = Audience(share.audience)
    if audience is Audience.WORKSPACE and actor.id is None:
        raise NotAuthenticated
    return SharedView(
        snapshot=Snapshot.model_validate(share.snapshot),
        created_at=share.created_at,
        audience=audience,
    )


def _digest(token: str) -> str:
    key = derive_key("share-link", tenant_id=scope.require().id)
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def _snapshot(conversation: Conversation, message_id: UUID | None) -> Snapshot:
    leaf_id = message_id or conversation.leaf_id
    if message_id is not None:
        here = Message.objects.filter(pk=message_id, conversation=conversation)
        if not here.exists():
            raise MessageNotFound
    branch = list_branch(leaf_id=leaf_id, limit=SHARED_MESSAGES_MAX) if leaf_id else []
    said = [row for row in branch if row.kind == MessageKind.CHAT and row.parts]
    if not said:
        raise Conflict("There is nothing to share yet.")
    people: dict[UUID | None, int] = {}
    for row in said:
        if row.role == Role.USER:
            people.setdefault(row.author_id, len(people) + 1)
    return Snapshot(
        title=conversation.title,
        messages=tuple(_shared(row, people) for row in said),
    )


def _shared(row: Message, people: dict[UUID | None, int]) -> SharedMessage:
    author = "Karen"
    if row.role == Role.USER:
        # Names and addresses are not the snapshot's to give away; who is who still shows.
        author = f"Person {people[row.author_id]}" if len(people) > 1 else "Person"
    parts = message_parts.validate_python(row.parts)
    return SharedMessage(
        author=author,
        role=row.role,
        text=row.text,
        model=row.model,
        attachments=tuple(part.name for part in parts if isinstance(part, AttachmentPart)),
        created_at=row.created_at,
    )


def _view(share: Share, *, url: str = "") -> ShareView:
    return ShareView(
        id=share.pk,
        conversation_id=share.conversation_id,
        audience=Audience(share.audience),
        title=share.title,
        created_at=share.created_at,
        revoked=share.revoked_at is not None,
        url=url,
    )
