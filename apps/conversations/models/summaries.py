"""A summary of the beginning of a branch."""

from django.db import models
from typing_extensions import override

from apps.conversations.models.messages import Message
from apps.core.clock import now
from apps.core.ids import new_id


class Summary(models.Model):
    """What was said from the root of the tree to one message, in short.

    It hangs on the last message it covers, so every branch through that message may use it and no
    branch sees another one's future. It is derived: deleting all of them loses nothing.

    Attributes:
        tokens: Its length as the model counts that wrote it.
        version: Which way of writing summaries made it; others are not used.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message = models.ForeignKey(Message, models.CASCADE, related_name="summaries")
    text = models.TextField()
    tokens = models.PositiveIntegerField()
    model = models.CharField(max_length=100)
    version = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("message", "version"), name="summary_once"),
        )

    @override
    def __str__(self) -> str:
        return f"summary up to {self.message_id}"
