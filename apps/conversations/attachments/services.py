"""What changes attachments: uploading, sending, copying, deleting."""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.conversations.attachments import blobs, errors, metrics
from apps.conversations.attachments.announcing import announce
from apps.conversations.attachments.contracts import Uploaded
from apps.conversations.attachments.incoming import IncomingFile
from apps.conversations.attachments.names import safe_name
from apps.conversations.attachments.notes import EXTENSION_MISMATCH
from apps.conversations.attachments.selectors import (
    access_attachment,
    attachment_view,
    quota_bytes,
    stored_bytes,
)
from apps.conversations.attachments.sniffing import Sniffed, sniff
from apps.conversations.contracts import AttachmentPart
from apps.conversations.domain.attachment_states import (
    UNFINISHED,
    AttachmentKind,
    AttachmentState,
)
from apps.conversations.models.attachments import Attachment
from apps.conversations.models.messages import Message
from apps.conversations.selectors import require_owner
from apps.core import ratelimit
from apps.core.clock import now
from apps.core.errors import InvalidInput, KarenError
from apps.core.scope import Actor
from apps.jobs import services as jobs

LEASE_KIND = "attachment"
PROCESS_TASK = "conversations.process_attachment"
# A file whose task the broker lost is enqueued again after this long.
_QUEUED_TTL_S = 90.0
_CLIENT_KEY = 64
_COPIED = (
    "source_digest", "digest", "thumbnail_digest", "vision_digest", "name", "media_type", "kind",
    "size", "state", "problem", "text", "summary", "meta",
)  # fmt: skip


def upload(
    *,
    actor: Actor,
    permission: str,
    incoming: IncomingFile,
    name: str,
    client_key: str = "",
) -> Uploaded:
    """Keep a received file and have it checked and read.

    Idempotent by (owner, `client_key`): the same file again returns the first attachment, also when
    two arrive at the same moment.

    Raises:
        PermissionDenied: The actor lacks the permission.
        RateLimited: The actor uploaded too many.
        AttachmentEmpty: There is nothing in it.
        AttachmentExecutable: It is a program.
        AttachmentTypeRefused: Files of this type are not taken.
        AttachmentTooLarge: It is larger than files of its kind may be.
        AttachmentQuotaExceeded: The actor's files take too much already.
        AttachmentKeyReused: `client_key` names another file.
    """
    try:
        uploaded = _upload(actor, permission, incoming, safe_name(name), client_key)
    except KarenError as error:
        metrics.uploads_total.labels(error.code).inc()
        raise
    metrics.uploads_total.labels("created" if uploaded.created else "repeated").inc()
    return uploaded


def _upload(
    actor: Actor, permission: str, incoming: IncomingFile, name: str, client_key: str
) -> Uploaded:
    owner_id = require_owner(actor, permission)
    _check_client_key(client_key)
    ratelimit.enforce(
        ratelimit.Limit(
            name="chat.attachment", burst=settings.ATTACHMENTS_PER_MINUTE, period_s=60.0
        ),
        owner_id.hex,
    )
    found = _checked(incoming, name)
    for _attempt in range(2):
        try:
            return _store(owner_id, incoming, found, name, client_key)
        except IntegrityError:  # a twin of this request committed first: look again
            continue
    raise errors.AttachmentKeyReused


def _check_client_key(client_key: str) -> None:
    if len(client_key) > _CLIENT_KEY or "\x00" in client_key:
        raise InvalidInput(fields={"client_key": [f"At most {_CLIENT_KEY} characters, no NUL."]})


def _checked(incoming: IncomingFile, name: str) -> tuple[Sniffed, AttachmentKind]:
    if not incoming.size:
        raise errors.AttachmentEmpty
    found = sniff(*incoming.ends(), name)
    if found.executable:
        raise errors.AttachmentExecutable
    if found.kind is None or found.kind.value not in settings.ATTACHMENT_KINDS:
        raise errors.AttachmentTypeRefused(
            media_type=found.media_type, kinds=tuple(sorted(settings.ATTACHMENT_KINDS))
        )
    limit = settings.ATTACHMENT_KIND_BYTES.get(found.kind.value, settings.ATTACHMENT_MAX_BYTES)
    if incoming.size > limit:
        raise errors.AttachmentTooLarge(limit_bytes=limit, kind=found.kind.value)
    return found, found.kind


@transaction.atomic(durable=True)
def _store(
    owner_id: UUID,
    incoming: IncomingFile,
    checked: tuple[Sniffed, AttachmentKind],
    name: str,
    client_key: str,
) -> Uploaded:
    found, kind = checked
    size = incoming.size or 0
    # Two uploads at once must not both pass the quota.
    blobs.lock(f"owner:{owner_id}")
    before = (
        Attachment.objects.filter(owner_id=owner_id, client_key=client_key).first()
        if client_key
        else None
    )
    if before is not None:
        if before.source_digest != incoming.digest:
            raise errors.AttachmentKeyReused
        return Uploaded(view=attachment_view(before), created=False)
    used = stored_bytes(owner_id)
    if used + size > quota_bytes():
        raise errors.AttachmentQuotaExceeded(limit_bytes=quota_bytes(), used_bytes=used)
    blobs.keep([(incoming.path, incoming.digest)])
    row = Attachment.objects.create(
        owner_id=owner_id,
        source_digest=incoming.digest,
        digest=incoming.digest,
        name=name,
        media_type=found.media_type,
        kind=kind,
        size=size,
        meta={"notes": [EXTENSION_MISMATCH]} if found.mismatch else {},
        client_key=client_key,
    )
    _record("attachment.uploaded", row)
    enqueue(row)
    announce(row.pk)
    metrics.uploaded_bytes_total.inc(size)
    return Uploaded(view=attachment_view(row), created=True)


def enqueue(row: Attachment) -> None:
    """Have the hook chain look at a row, inside the caller's transaction."""
    jobs.hold_lease(kind=LEASE_KIND, key=row.pk, owner="queue", ttl_s=_QUEUED_TTL_S)
    jobs.enqueue_on_commit(PROCESS_TASK, attachment_id=row.pk, attempt=row.attempt)


def _record(action: str, row: Attachment) -> None:
    # The name is content and stays out of the record.
    audit.record(
        action=action,
        target_type="attachment",
        target_id=row.pk,
        target_label=str(row.pk),
        data={"media_type": row.media_type, "size": row.size, "digest": row.source_digest},
    )


def attach(
    *, message: Message, attachment_ids: Sequence[UUID], owner_id: UUID | None = None
) -> list[dict[str, object]]:
    """Bind files to a message that was just stored, inside the caller's transaction.

    Files that are still being read may be sent; refused ones may not. One that was sent before in
    the same conversation is copied, so that an edited message keeps its files. Binding files to
    the message that has them already changes nothing.

    Args:
        message: The stored message.
        attachment_ids: In the order in which they are shown.
        owner_id: Whose files they must be; None for the message's author.

    Returns:
        The message's parts, in that order, as JSON values of `AttachmentPart`.

    Raises:
        AttachmentsTooMany: More than one message may have.
        AttachmentNotFound: One does not exist or belongs to somebody else.
        AttachmentWasRefused: One was refused.
        AttachmentAlreadySent: One was sent in another conversation.
    """
    owner = owner_id or message.author_id or message.conversation.owner_id
    rows = _sendable(owner_id=owner, attachment_ids=attachment_ids, message=message)
    fresh = [row.pk for row in rows if row.message_id is None]
    Attachment.objects.filter(pk__in=fresh).update(
        message=message, conversation_id=message.conversation_id, updated_at=now()
    )
    for attachment_id in fresh:
        announce(attachment_id)
    return [
        part_of(_copy(row, message, owner) if row.message_id not in {None, message.pk} else row)
        for row in rows
    ]


def part_of(row: Attachment) -> dict[str, object]:
    """Return the message part of an attachment, as JSON values of `AttachmentPart`."""
    part = AttachmentPart(
        attachment_id=row.pk, name=row.name, media_type=row.media_type, size=row.size
    )
    return part.model_dump(mode="json")


def _sendable(
    *, owner_id: UUID, attachment_ids: Sequence[UUID], message: Message
) -> list[Attachment]:
    wanted = list(dict.fromkeys(attachment_ids))
    limit = settings.ATTACHMENTS_PER_MESSAGE
    if len(wanted) > limit:
        raise errors.AttachmentsTooMany(limit=limit, count=len(wanted))
    locked: QuerySet[Attachment] = (
        Attachment.objects.select_for_update()
        .filter(pk__in=wanted, owner_id=owner_id)
        .order_by("pk")  # one order for everybody: no deadlocks
    )
    by_id = {row.pk: row for row in locked} if wanted else {}
    if len(by_id) < len(wanted):
        raise errors.AttachmentNotFound
    rows = [by_id[attachment_id] for attachment_id in wanted]
    for row in rows:
        if row.state == AttachmentState.REFUSED:
            raise errors.AttachmentWasRefused(str((row.problem or {}).get("type", "")) or None)
        if row.message_id is not None and row.conversation_id != message.conversation_id:
            raise errors.AttachmentAlreadySent
    return rows


def copy_attachments(
    *, from_message_id: UUID, to_message: Message, owner_id: UUID
) -> list[dict[str, object]]:
    """Give another message the same files, inside the caller's transaction: forks.

    The bytes are shared; each row keeps them alive for itself.

    Args:
        from_message_id: A message that the caller has let the actor through to.
        to_message: The stored message that gets them.
        owner_id: Whose the copies are: who may delete them, and whose quota they count against.

    Returns:
        The parts of the new message, in the order of the old one's uploads.
    """
    originals = Attachment.objects.select_for_update().filter(message_id=from_message_id)
    return [part_of(_copy(row, to_message, owner_id)) for row in originals.order_by("id")]


def _copy(row: Attachment, message: Message, owner_id: UUID) -> Attachment:
    """Store a second row for the same bytes; `row` is locked, so they stay until the commit."""
    copied = Attachment(
        owner_id=owner_id,
        conversation_id=message.conversation_id,
        message=message,
        **{name: getattr(row, name) for name in _COPIED},
    )
    copied.save(force_insert=True)
    if copied.state in UNFINISHED:
        enqueue(copied)
    announce(copied.pk)
    return copied


@transaction.atomic(durable=True)
def delete_attachment(*, actor: Actor, attachment_id: UUID, permission: str) -> None:
    """Delete an attachment; its bytes too when nothing else refers to them.

    A message that it was sent with keeps the part with its name.

    Raises:
        PermissionDenied: The actor lacks the permission.
        AttachmentNotFound: It does not exist or belongs to somebody else.
    """
    row = access_attachment(
        actor=actor, attachment_id=attachment_id, permission=permission, own=True
    )
    _record("attachment.deleted", row)
    remove(Attachment.objects.filter(pk=row.pk))


def remove(rows: QuerySet[Attachment]) -> int:
    """Delete rows, and after the commit the bytes that nothing else refers to.

    Returns:
        How many rows were deleted.
    """
    digests: set[str] = set()
    ids: list[UUID] = []
    for row in rows.select_for_update().defer("text"):
        ids.append(row.pk)
        digests |= {row.digest, row.thumbnail_digest, row.vision_digest}
    for attachment_id in ids:
        jobs.release_lease(kind=LEASE_KIND, key=attachment_id)
    Attachment.objects.filter(pk__in=ids).delete()
    transaction.on_commit(lambda: blobs.release(digests))
    return len(ids)


def remove_of_conversation(conversation_id: UUID) -> int:
    """Delete the files of a conversation that is about to be deleted, in the same transaction.

    Returns:
        How many rows were deleted.
    """
    return remove(Attachment.objects.filter(conversation_id=conversation_id))
