"""A message."""

from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.conversations.contracts import MessageStatus
from apps.conversations.models.conversations import Conversation
from apps.core.clock import now
from apps.core.ids import new_id
from apps.providers.contracts import Role


class Message(models.Model):
    """One message in a conversation's tree; a branch is the path from a root to a leaf.

    `parts` is the ordered content as written by `contracts.TextPart` and its siblings.
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
    client_message_id = models.CharField(max_length=64, blank=True)
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
        return "".join(part["text"] for part in self.parts if part.get("type") == "text")
