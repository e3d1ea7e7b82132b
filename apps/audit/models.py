"""The audit table: one row is one thing that somebody did."""

from django.db import models
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class AuditEntry(models.Model):
    """One action, with the labels as they were at that moment.

    Tenant and actor are plain ids without constraints: an entry outlives what it speaks of.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=now, editable=False)
    tenant_id = models.UUIDField(null=True, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    actor_kind = models.CharField(max_length=16, editable=False)
    actor_label = models.CharField(max_length=254, editable=False)
    action = models.CharField(max_length=64, editable=False)
    target_type = models.CharField(max_length=64, editable=False)
    target_id = models.CharField(max_length=64, editable=False)
    target_label = models.CharField(max_length=254, editable=False)
    old = models.JSONField(null=True, editable=False)
    new = models.JSONField(null=True, editable=False)
    data = models.JSONField(null=True, editable=False)
    correlation_id = models.CharField(max_length=64, editable=False)
    backfilled = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        default_permissions = ("view",)
        indexes = (
            models.Index(fields=("tenant_id", "-at"), name="audit_tenant_at"),
            models.Index(fields=("action", "-at"), name="audit_action_at"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor_label} {self.action} {self.target_label}"
