"""A file that somebody sent or is about to send."""

from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.conversations.domain.attachment_states import AttachmentKind, AttachmentState
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.core.clock import now
from apps.core.ids import new_id


class Attachment(models.Model):
    """One file of one person; its bytes lie in the store under their SHA-256.

    The row is the reference that keeps the bytes: `digest`, `thumbnail_digest` and `vision_digest`
    are empty where nothing is stored.

    Attributes:
        conversation: Where it was sent; null until then.
        message: The message it was sent with; null until then.
        source_digest: SHA-256 of what was uploaded; `digest` may name a cleaned copy instead.
        thumbnail_digest: A small picture of it.
        vision_digest: The picture as models get it, where that differs from `digest`.
        media_type: Found in the content, never taken from the client.
        problem: The inside of an error envelope: why it was refused, or what is being waited for.
        text: What was read from it, cut at the setting's limit.
        meta: Facts such as pages, rows, width; `notes` lists codes of `attachments.notes`.
        client_key: The client's own id of the upload: the same one again returns the first row.
        attempt: The fencing token of the hook chain.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner_id = models.UUIDField()
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, null=True, related_name="attachments"
    )
    message = models.ForeignKey(Message, models.CASCADE, null=True, related_name="attachments")
    source_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, blank=True)
    thumbnail_digest = models.CharField(max_length=64, blank=True)
    vision_digest = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=100)
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in AttachmentKind])
    size = models.BigIntegerField()
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in AttachmentState],
        default=AttachmentState.UPLOADED.value,
    )
    problem = models.JSONField(null=True)
    text = models.TextField(blank=True)
    summary = models.TextField(blank=True)
    meta = models.JSONField(default=dict)
    client_key = models.CharField(max_length=64, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("-created_at", "-id")
        default_permissions = ()
        indexes = (
            models.Index(fields=("owner_id", "-created_at"), name="attachment_of_owner"),
            models.Index(fields=("digest",), name="attachment_blob"),
            models.Index(
                fields=("thumbnail_digest",),
                condition=~Q(thumbnail_digest=""),
                name="attachment_thumbnail_blob",
            ),
            models.Index(
                fields=("vision_digest",),
                condition=~Q(vision_digest=""),
                name="attachment_vision_blob",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("owner_id", "client_key"),
                condition=~Q(client_key=""),
                name="attachment_uploaded_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(s.value for s in AttachmentState)),
                name="attachment_state_known",
            ),
            models.CheckConstraint(condition=Q(size__gte=0), name="attachment_size_known"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.name} {self.state}"
