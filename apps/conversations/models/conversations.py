"""A conversation."""

from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class Conversation(models.Model):
    """One thread of messages between a user and the assistant.

    `client_key` is the client's id of the message that started it, so that sending that message
    twice does not start two conversations.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner_id = models.UUIDField()
    title = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=100, blank=True)
    client_key = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("-updated_at", "-id")
        default_permissions = ()
        indexes = (models.Index(fields=("owner_id", "-updated_at"), name="conversation_of_owner"),)
        constraints = (
            models.UniqueConstraint(
                fields=("owner_id", "client_key"),
                condition=~Q(client_key=""),
                name="conversation_started_once",
            ),
        )

    @override
    def __str__(self) -> str:
        return self.title or str(self.id)
