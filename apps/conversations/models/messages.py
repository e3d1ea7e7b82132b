"""A message, and what people think of it."""

from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.conversations.contracts import MessageKind, MessageStatus, text_of
from apps.conversations.models.conversations import Conversation
from apps.core.clock import now
from apps.core.ids import new_id
from apps.providers.contracts import Role


class Message(models.Model):
    """One message in a conversation's tree; a branch is the path from a root to a leaf.

    Attributes:
        parts: The ordered content as written by `contracts.TextPart` and its siblings.
        author_id: Who wrote it; null for the assistant.
        request_digest: SHA-256 of the request that stored it: the same `client_message_id` with
            another body is refused.
        pinned_at: When somebody asked that the assistant always sees it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")
    role = models.CharField(max_length=16, choices=[(r.value, r.value) for r in Role])
    parts = models.JSONField(default=list)
    status = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in MessageStatus],
        default=MessageStatus.COMPLETE.value,
    )
    model = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=16, default=MessageKind.CHAT.value)
    author_id = models.UUIDField(null=True)
    client_message_id = models.CharField(max_length=64, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)
    pinned_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = (models.Index(fields=("conversation", "id"), name="message_of_conversation"),)
        constraints = (
            models.UniqueConstraint(
                fields=("conversation", "client_message_id"),
                condition=~Q(client_message_id=""),
                name="message_sent_once",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.role}: {self.text[:40]}"

    @property
    def text(self) -> str:
        """The text parts in order."""
        return text_of(self.parts)


class Feedback(models.Model):
    """One person's thumb and comment on an answer, kept for later evaluation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message = models.ForeignKey(Message, models.CASCADE, related_name="feedback")
    user_id = models.UUIDField()
    rating = models.SmallIntegerField()
    comment = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("message", "user_id"), name="feedback_once"),
            models.CheckConstraint(condition=Q(rating__in=(-1, 1)), name="feedback_thumb"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.rating:+d} by {self.user_id}"
