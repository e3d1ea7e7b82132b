"""A conversation, the folders people keep them in, and who else takes part."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.conversations.contracts import Mode
from apps.core.clock import now
from apps.core.ids import new_id


class Folder(models.Model):
    """A person's folder of conversations."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner_id = models.UUIDField()
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("position", "id")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("owner_id", "name"), name="folder_named_once"),
        )

    @override
    def __str__(self) -> str:
        return self.name


class Conversation(models.Model):
    """One tree of messages between people and the assistant.

    Attributes:
        client_key: The client's id of the message that started it, so that sending that message
            twice does not start two conversations.
        version: Grows with each change of the conversation or anything in it; the row's lock
            orders them.
        leaf: The last message of the branch that is shown.
        titled_by: `person` titles are never replaced by the model's.
        sensitive: Only trusted models, and those of this installation, may read it.
        tools: Names of the allowed tools; null for all that the person may use.
        expires_at: Set for temporary conversations only: when they are erased.
        origin: Where it came from: empty, `import`, `fork`, `api`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner_id = models.UUIDField()
    title = models.CharField(max_length=200, blank=True)
    model = models.CharField(max_length=100, blank=True)
    client_key = models.CharField(max_length=64, blank=True)
    version = models.PositiveBigIntegerField(default=0)
    leaf = models.ForeignKey(
        "conversations.Message", models.SET_NULL, null=True, related_name="+", db_index=False
    )
    titled_by = models.CharField(max_length=8, blank=True)
    persona = models.CharField(max_length=64, blank=True)
    mode = models.CharField(max_length=16, default=Mode.DEFAULT.value)
    system_instruction = models.TextField(blank=True)
    temperature = models.FloatField(null=True)
    memory_enabled = models.BooleanField(default=True)
    show_reasoning = models.BooleanField(default=False)
    sensitive = models.BooleanField(default=False, db_default=False)
    tools = ArrayField(models.CharField(max_length=64), null=True)
    folder = models.ForeignKey(
        Folder, models.SET_NULL, null=True, related_name="conversations"
    )
    tags = ArrayField(models.CharField(max_length=40), default=list)
    pinned_at = models.DateTimeField(null=True)
    archived_at = models.DateTimeField(null=True)
    temporary = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True)
    origin = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("-updated_at", "-id")
        default_permissions = ()
        indexes = (
            models.Index(fields=("owner_id", "-updated_at"), name="conversation_of_owner"),
            models.Index(
                fields=("expires_at",),
                condition=Q(expires_at__isnull=False),
                name="conversation_expiring",
            ),
        )
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


class Participant(models.Model):
    """Somebody besides the owner who reads a conversation and writes in it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="participants")
    user_id = models.UUIDField()
    added_by = models.UUIDField()
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = (models.Index(fields=("user_id",), name="participant_of"),)
        constraints = (
            models.UniqueConstraint(
                fields=("conversation", "user_id"), name="participant_once"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.user_id} in {self.conversation_id}"
