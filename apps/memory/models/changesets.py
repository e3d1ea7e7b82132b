"""Changes of several memories that happen, and are undone, as one."""

from django.db import models
from django.db.models import Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id
from apps.memory.contracts import ChangesetKind, ChangesetState
from apps.memory.models.said import Subject

INNER = "_"  # in an entry's `after`: what undoing needs and no diff shows


class Changeset(models.Model):
    """What one consolidation, merge or sweep does to the memories of a subject.

    Attributes:
        note: What it did, in words.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE)
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=16, default=ChangesetState.APPLIED.value)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=sorted(kind.value for kind in ChangesetKind)),
                name="memory_changeset_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(state.value for state in ChangesetState)),
                name="memory_changeset_state_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class ChangesetEntry(models.Model):
    """One memory in a changeset.

    Attributes:
        memory_id: No foreign key: what was forgotten since stays named here.
        before: The values that changed, as they were; empty for a memory that was created.
        after: The values that changed, as they became.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    changeset = models.ForeignKey(Changeset, on_delete=models.CASCADE, related_name="entries")
    memory_id = models.UUIDField(db_index=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("changeset", "memory_id"), name="memory_changeset_entry_once"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"entry {self.pk}"
