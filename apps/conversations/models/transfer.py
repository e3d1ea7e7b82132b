"""A file of conversations that is being taken in."""

from django.db import models

from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class Import(models.Model):
    """One import of one person.

    Attributes:
        payload: The normalised conversations as compressed JSON, until all are stored.
        digest: SHA-256 of the file's content: the same file again finds this row.
        state: `running` or `done`.
        total: How many conversations the file has.
        done: How many of them were handled; a task that runs again goes on from here.
        items: What became of each, as `contracts.ImportedItem`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner_id = models.UUIDField()
    digest = models.CharField(max_length=64)
    payload = models.BinaryField(null=True)
    state = models.CharField(max_length=16, default="running")
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    items = models.JSONField(default=list)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        indexes = (models.Index(fields=("owner_id", "-id"), name="import_of_owner"),)

    @override
    def __str__(self) -> str:
        return f"{self.id} {self.done}/{self.total}"
