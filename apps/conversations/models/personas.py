"""A persona that somebody of the workspace made; the built-in ones live in code."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class Persona(models.Model):
    """A character the assistant can take on.

    Attributes:
        owner_id: Whose own it is; null for everybody in the workspace.
        temperature: Null for the mode's.
        tools: Names of the only tools it may use; null for all.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner_id = models.UUIDField(null=True)
    slug = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    instruction = models.TextField(blank=True)
    model = models.CharField(max_length=100, blank=True)
    temperature = models.FloatField(null=True)
    tools = ArrayField(models.CharField(max_length=64), null=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("name", "id")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("owner_id", "slug"),
                condition=Q(owner_id__isnull=False),
                name="persona_of_person",
            ),
            models.UniqueConstraint(
                fields=("slug",), condition=Q(owner_id__isnull=True), name="persona_of_workspace"
            ),
        )

    @override
    def __str__(self) -> str:
        return self.slug
