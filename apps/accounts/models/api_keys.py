"""API keys: what programs carry instead of a session."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from typing_extensions import override

from apps.accounts.models.memberships import Membership
from apps.core.clock import now
from apps.core.ids import new_id


class ApiKey(models.Model):
    """One person's key to one workspace, kept as a keyed digest; it dies with the membership.

    A revoked key stays as a row, so that the audit record's prefix still leads somewhere.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="+", verbose_name="workspace"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=64))
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("-created_at", "-id")
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(scopes__len__gt=0), name="api_key_may_do_something"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.name} (karen_{self.prefix}_…)"
