"""Memberships."""

from django.conf import settings
from django.db import models
from typing_extensions import override

from apps.accounts.models.roles import Role
from apps.core.clock import now
from apps.core.ids import new_id


class Membership(models.Model):
    """One person's place in one workspace."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        related_name="memberships",
        verbose_name="workspace",
    )
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="memberships")
    is_active = models.BooleanField(
        default=True, help_text="Off: the person has no access to the workspace for now."
    )
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("tenant", "user")
        constraints = (
            models.UniqueConstraint(
                fields=("user", "tenant"), name="membership_once_per_user_and_tenant"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"
