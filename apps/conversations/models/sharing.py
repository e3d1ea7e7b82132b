"""A read-only snapshot of a branch that its owner gave away and can take back."""

from django.db import models

from typing_extensions import override

from apps.conversations.models.conversations import Conversation
from apps.core.clock import now
from apps.core.ids import new_id


class Share(models.Model):
    """What a conversation's branch looked like when it was shared.

    Attributes:
        token_digest: Keyed hash of the secret in the link; the secret itself is not kept.
        audience: `workspace` for signed-in members, `link` for everybody who has the link.
        snapshot: The shared messages as they were; later changes of the conversation do not show.
        revoked_at: When the link stopped working.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="shares")
    created_by = models.UUIDField()
    token_digest = models.CharField(max_length=64, unique=True)
    audience = models.CharField(max_length=16, default="workspace")
    title = models.CharField(max_length=200, blank=True)
    snapshot = models.JSONField()
    created_at = models.DateTimeField(default=now, editable=False)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        default_permissions = ()

    @override
    def __str__(self) -> str:
        return f"share of {self.conversation_id}"
