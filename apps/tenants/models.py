"""The platform's book of tenants."""

from django.db import models
from django.db.models import Q
from django_tenants.models import DomainMixin, TenantMixin
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id
from apps.tenants.domain.states import TenantState


class Plan(models.Model):
    """What a group of workspaces may use; `limits` as `contracts.PlanLimits` reads them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=60, unique=True)
    limits = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("name",)

    @override
    def __str__(self) -> str:
        return self.name


class Tenant(TenantMixin):  # type: ignore[misc]  # untyped library
    """One organisation: a schema for its content, host names, a data key.

    Schemas are created from the template by `provisioning`, never by saving a row.
    """

    auto_create_schema = False
    auto_drop_schema = False

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    schema_name = models.CharField(max_length=63, unique=True, editable=False)
    slug = models.CharField(max_length=63, unique=True)
    name = models.CharField(max_length=120)
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in TenantState],
        default=TenantState.REQUESTED.value,
    )
    wrapped_data_key = models.BinaryField(editable=False)
    db_alias = models.CharField(max_length=32, default="default", editable=False)
    schema_version = models.CharField(max_length=64, default="", editable=False)
    plan = models.ForeignKey(Plan, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("slug",)
        verbose_name = "workspace"
        verbose_name_plural = "workspaces"
        constraints = (
            models.CheckConstraint(
                condition=Q(slug__regex=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
                name="tenant_slug_is_a_label",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in TenantState]), name="tenant_state_known"
            ),
        )

    @override
    def __str__(self) -> str:
        return self.name


class Domain(DomainMixin):  # type: ignore[misc]  # untyped library
    """One host name of a tenant, lower case, without port."""

    class Meta:
        ordering = ("domain",)
        constraints = (
            models.UniqueConstraint(
                fields=("tenant",),
                condition=Q(is_primary=True),
                name="domain_one_primary_per_tenant",
            ),
        )

    @override
    def __str__(self) -> str:
        return str(self.domain)


class SpareSchema(models.Model):
    """A schema made ahead of time; a sign-up takes it and is instant."""

    schema_name = models.CharField(max_length=63, primary_key=True)
    schema_version = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("created_at",)

    @override
    def __str__(self) -> str:
        return self.schema_name


class SchemaTemplate(models.Model):
    """The cached DDL of one version of the tenant schema; the newest row is in force."""

    version = models.CharField(max_length=64, primary_key=True)
    ddl = models.TextField()
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("-created_at",)

    @override
    def __str__(self) -> str:
        return self.version
