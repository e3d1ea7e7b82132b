"""Reading attachments: the gate, lists, views, and what models get to see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext as _

from apps.conversations.attachments.contracts import AttachmentContent, AttachmentView
from apps.conversations.attachments.errors import AttachmentNotFound, AttachmentNotReady
from apps.conversations.attachments.excerpts import excerpt, shares, tokens_of
from apps.conversations.attachments.notes import notes_of
from apps.conversations.attachments.storage import blob_store
from apps.conversations.domain.attachment_states import (
    UNFINISHED,
    AttachmentKind,
    AttachmentState,
)
from apps.conversations.models.attachments import Attachment
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.selectors import require_owner, visible_to
from apps.core.scope import Actor

if TYPE_CHECKING:
    from apps.core.envelope import ErrorBody

# Types that may be served as what they are; everything else is bytes without a meaning.
_SERVED = ("image/", "audio/", "text/", "application/")
_TEXT_TOKENS = 8_000
_HEAVY = ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file to be served; whoever takes it closes `file`."""

    file: BinaryIO
    name: str
    media_type: str
    digest: str
    size: int
    redrawn: bool


def access_attachment(
    *, actor: Actor, attachment_id: UUID, permission: str, own: bool = False
) -> Attachment:
    """Return an attachment the actor may see, if the actor holds `permission`: the only gate.

    People see what they uploaded, and what was sent in a conversation that they see.

    Args:
        actor: Who asks.
        attachment_id: Which one.
        permission: What the edge demands.
        own: Only what they uploaded: for changes.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor lacks the permission.
        AttachmentNotFound: It does not exist, or is not the actor's to see.
    """
    user_id = require_owner(actor, permission)
    may = Q(owner_id=user_id)
    if not own:
        may |= Q(conversation__in=Conversation.objects.filter(visible_to(user_id)))
    found = Attachment.objects.filter(may, pk=attachment_id).defer(*_HEAVY).first()
    if found is None:
        raise AttachmentNotFound
    return found


def people_who_see(row: Attachment) -> set[UUID]:
    """Return the ids of everybody who passes the gate for an attachment."""
    people = {row.owner_id}
    if row.conversation is not None:
        people.add(row.conversation.owner_id)
        takes_part = Participant.objects.filter(conversation=row.conversation)
        people.update(takes_part.values_list("user_id", flat=True))
    return people


def list_attachments(
    *,
    actor: Actor,
    permission: str,
    conversation_id: UUID | None = None,
    unsent: bool = False,
) -> QuerySet[Attachment]:
    """Return the actor's attachments, newest first.

    Args:
        actor: Who asks.
        permission: What the edge demands.
        conversation_id: Instead, everybody's in one conversation that the actor sees.
        unsent: Only those that were not sent yet.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    user_id = require_owner(actor, permission)
    if conversation_id is None:
        rows = Attachment.objects.filter(owner_id=user_id)
    else:
        seen = Conversation.objects.filter(visible_to(user_id), pk=conversation_id)
        rows = Attachment.objects.filter(conversation__in=seen)
    if unsent:
        rows = rows.filter(message__isnull=True)
    return rows.defer(*_HEAVY)


def get_attachment_view(*, actor: Actor, attachment_id: UUID, permission: str) -> AttachmentView:
    """Return one attachment of the actor as a contract.

    Raises:
        PermissionDenied: The actor lacks the permission.
        AttachmentNotFound: It does not exist or belongs to somebody else.
    """
    return attachment_view(
        access_attachment(actor=actor, attachment_id=attachment_id, permission=permission)
    )


def attachment_view(row: Attachment) -> AttachmentView:
    """Map a row; does not touch its text."""
    meta = dict(row.meta)
    codes = meta.pop("notes", [])
    return AttachmentView(
        id=row.pk,
        name=row.name,
        media_type=row.media_type,
        kind=AttachmentKind(row.kind),
        size=row.size,
        state=AttachmentState(row.state),
        # Written by the chain from an ErrorBody; JSON keeps its shape.
        problem=cast("ErrorBody | None", row.problem),
        notes=notes_of(codes),
        text_characters=int(meta.pop("characters", 0)),
        meta=meta,
        summary=row.summary,
        has_thumbnail=bool(row.thumbnail_digest),
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        created_at=row.created_at,
    )


def stored_bytes(owner_id: UUID) -> int:
    """Return how many bytes the files of a person take."""
    total = Attachment.objects.filter(owner_id=owner_id).aggregate(total=Sum("size"))["total"]
    return int(total or 0)


def open_content(*, actor: Actor, attachment_id: UUID, permission: str) -> StoredFile:
    """Return the file itself.

    Raises:
        AttachmentNotFound: It does not exist, belongs to somebody else, or was refused.
        AttachmentNotReady: It has not passed its checks yet.
    """
    row = access_attachment(actor=actor, attachment_id=attachment_id, permission=permission)
    return _open(row, row.digest, row.media_type, row.name)


def open_thumbnail(*, actor: Actor, attachment_id: UUID, permission: str) -> StoredFile:
    """Return the small picture of a file.

    Raises:
        AttachmentNotFound: There is no such file, or no picture of it.
        AttachmentNotReady: It has not passed its checks yet.
    """
    row = access_attachment(actor=actor, attachment_id=attachment_id, permission=permission)
    stem = row.name.rpartition(".")[0] or row.name
    return _open(row, row.thumbnail_digest, "image/webp", f"{stem}.webp")


def _open(row: Attachment, digest: str, media_type: str, name: str) -> StoredFile:
    if row.state in UNFINISHED:
        raise AttachmentNotReady
    if not digest:
        raise AttachmentNotFound
    try:
        file = blob_store().open(digest)
    except FileNotFoundError:  # deleted between our query and now
        raise AttachmentNotFound from None
    size = file.seek(0, 2)
    file.seek(0)
    served = media_type if media_type.startswith(_SERVED) else "application/octet-stream"
    return StoredFile(
        file=file,
        name=name,
        media_type=served,
        digest=digest,
        size=size,
        redrawn=row.kind == AttachmentKind.IMAGE,
    )


def list_of_messages(message_ids: Iterable[UUID]) -> list[AttachmentView]:
    """Return the attachments of messages, in the order in which they were uploaded.

    For callers that have let the reader through to the messages already.
    """
    rows = Attachment.objects.filter(message_id__in=list(message_ids)).defer(*_HEAVY)
    return [attachment_view(row) for row in rows.order_by("message_id", "id")]


def any_unfinished(message_ids: Iterable[UUID]) -> bool:
    """Say whether a file of these messages is still being read."""
    return Attachment.objects.filter(
        message_id__in=list(message_ids), state__in=UNFINISHED
    ).exists()


def for_prompt(
    message_ids: Sequence[UUID], *, text_tokens: int = _TEXT_TOKENS, images: bool = False
) -> tuple[AttachmentContent, ...]:
    """Return what a model gets to see of the files of messages; deterministic.

    Short texts are given whole; longer ones share what is left of the budget evenly, beginning
    first, with their summary where there is one.

    Args:
        message_ids: The messages, in the order of the prompt.
        text_tokens: Most tokens of all texts together, by the house's estimate.
        images: Whether the model can see: pictures come with their bytes.
    """
    rows = Attachment.objects.filter(message_id__in=list(message_ids)).order_by("id")
    place = {message_id: at for at, message_id in enumerate(message_ids)}
    ordered = sorted(rows, key=lambda row: (place[cast("UUID", row.message_id)], row.pk))
    budgets = shares([tokens_of(row.text) for row in ordered], budget=text_tokens)
    return tuple(
        _content(row, tokens, images) for row, tokens in zip(ordered, budgets, strict=True)
    )


def _content(row: Attachment, tokens: int, images: bool) -> AttachmentContent:
    text, truncated = excerpt(row.text, summary=row.summary, tokens=tokens)
    image, image_type = _image(row) if images else (None, "")
    return AttachmentContent(
        message_id=cast("UUID", row.message_id),
        attachment_id=row.pk,
        name=row.name,
        media_type=row.media_type,
        kind=AttachmentKind(row.kind),
        state=AttachmentState(row.state),
        text=text,
        truncated=truncated or "text_cut" in row.meta.get("notes", ()),
        summary=row.summary,
        image=image,
        image_type=image_type,
        remark=_remark(row, seen=image is not None),
    )


def _image(row: Attachment) -> tuple[bytes | None, str]:
    if row.kind != AttachmentKind.IMAGE or row.state != AttachmentState.READY:
        return None, ""
    try:
        with blob_store().open(row.vision_digest or row.digest) as file:
            data = file.read()
    except FileNotFoundError:  # deleted while the prompt is being assembled
        return None, ""
    return data, "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"


def _remark(row: Attachment, *, seen: bool) -> str:
    if row.state == AttachmentState.REFUSED:
        return _("This file was refused; its content is not available.")
    if row.state != AttachmentState.READY:
        return _("This file is still being read; its content is not available yet.")
    if row.kind == AttachmentKind.IMAGE and not seen:
        return _("This is a picture, and the model cannot see pictures.")
    if row.kind == AttachmentKind.AUDIO and not row.text:
        return _("This is a sound recording that was not transcribed.")
    return "" if row.text or seen else _("No text was found in this file.")


def unused_digests(digests: Iterable[str]) -> set[str]:
    """Return those of `digests` that no row refers to."""
    asked = set(digests)
    rows = Attachment.objects.filter(
        Q(digest__in=asked) | Q(thumbnail_digest__in=asked) | Q(vision_digest__in=asked)
    ).values_list("digest", "thumbnail_digest", "vision_digest")
    return asked - {digest for row in rows for digest in row}


def quota_bytes() -> int:
    """Return how many bytes one person's files may take."""
    return int(settings.ATTACHMENT_QUOTA_BYTES)
