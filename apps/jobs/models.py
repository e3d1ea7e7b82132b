"""Tables of background work, all in `public`: they must be found without knowing the tenant."""

from django.db import models
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class OutboxEntry(models.Model):
    """One task that a committed transaction wants run and that was not published yet.

    The row is deleted once the broker has the task.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(null=True)
    task = models.CharField(max_length=100)
    queue = models.CharField(max_length=32)
    kwargs = models.JSONField(default=dict)
    correlation_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=now, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("created_at", "id")
        verbose_name = "outbox entry"
        verbose_name_plural = "outbox entries"

    @override
    def __str__(self) -> str:
        return f"{self.task} {self.id}"


class DeadLetter(models.Model):
    """One task that could not be run, with everything needed to run it again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField(null=True)
    task = models.CharField(max_length=100)
    queue = models.CharField(max_length=32)
    kwargs = models.JSONField(default=dict)
    correlation_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=64)
    error = models.TextField(blank=True)
    at = models.DateTimeField(default=now)
    replayed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name = "dead letter"
        verbose_name_plural = "dead letters"
        indexes = (models.Index(fields=("tenant_id", "-at"), name="dead_letter_tenant_at"),)

    @override
    def __str__(self) -> str:
        return f"{self.task}: {self.reason}"


class Lease(models.Model):
    """A timer on one piece of work; whoever lets it run out is taken for dead.

    `kind` names the handler that is called then. The work itself is fenced by its own attempt
    number; the lease only decides when somebody looks.
    """

    kind = models.CharField(max_length=32)
    key = models.UUIDField()
    tenant_id = models.UUIDField(null=True)
    owner = models.CharField(max_length=100)
    until = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("until",)
        default_permissions = ("view",)
        constraints = (
            # The tenant is part of the identity: two tenants may hold work with equal ids.
            models.UniqueConstraint(
                fields=("kind", "tenant_id", "key"), nulls_distinct=False, name="lease_unique_work"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.key} until {self.until:%H:%M:%S}"
