"""How a model is chosen, and a workspace's settings of the gateway."""

from django.db import models
from django.db.models import Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id


class RoutingPolicy(models.Model):
    """One rule of routing: when its conditions hold, its routes are the candidates.

    `conditions`, `routes` and `fallbacks` have the shapes of `domain.routing_rules`; services
    refuse anything else. Policies are asked in the order of `position`; a workspace's own come before
    the platform's.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="workspace",
    )
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=100)
    is_enabled = models.BooleanField(default=True)
    conditions = models.JSONField(default=dict, blank=True)
    routes = models.JSONField(default=dict, blank=True)
    fallbacks = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("position", "name")
        verbose_name_plural = "routing policies"
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "name"), nulls_distinct=False, name="routing_policy_name_unique"
            ),
        )

    @override
    def __str__(self) -> str:
        return self.name


class GatewaySettings(models.Model):
    """A workspace's settings of the gateway; the row without a workspace is the default."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.OneToOneField(
        "tenants.Tenant", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    default_model = models.CharField(max_length=200, blank=True)
    cache_ttl_s = models.PositiveIntegerField(
        default=0, help_text="Seconds for which equal questions get the kept answer; 0 is off."
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    user_requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    user_concurrent_calls = models.PositiveIntegerField(null=True, blank=True)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("id",)
        verbose_name = "gateway settings"
        verbose_name_plural = "gateway settings"
        constraints = (
            models.UniqueConstraint(
                fields=("tenant",), nulls_distinct=False, name="gateway_settings_once"
            ),
            models.CheckConstraint(
                condition=Q(cache_ttl_s__lte=3600), name="gateway_cache_at_most_an_hour"
            ),
        )

    @override
    def __str__(self) -> str:
        return "the platform" if self.tenant is None else str(self.tenant)
