"""Roles."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from typing_extensions import override

from apps.accounts.domain import policy
from apps.core.ids import new_id


class Role(models.Model):
    """What somebody may do in a workspace; built-in ones belong to no tenant."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="roles",
        verbose_name="workspace",
        help_text="Empty for the built-in roles, which exist in every workspace.",
    )
    code = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        help_text="The role whose permissions this one has too.",
    )
    permissions = ArrayField(models.CharField(max_length=64), default=list, blank=True)

    class Meta:
        ordering = (F("tenant").asc(nulls_first=True), "code")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "code"), nulls_distinct=False, name="role_code_unique_in_tenant"
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")),
                name="role_is_not_its_own_parent",
            ),
        )

    @override
    def __str__(self) -> str:
        return self.name

    @override
    def clean(self) -> None:
        super().clean()
        if self.parent is None:
            return
        if self.parent.tenant_id not in {None, self.tenant_id}:
            raise ValidationError({"parent": "The parent belongs to another workspace."})
        try:
            policy.lineage(self.id, self._with_ancestors())
        except policy.RoleCycle as error:
            raise ValidationError({"parent": "A role cannot inherit from itself."}) from error
        except policy.LineageTooLong as error:
            raise ValidationError({"parent": "There are too many roles above this one."}) from error

    def _with_ancestors(self) -> dict[object, policy.RoleSpec]:
        roles: dict[object, policy.RoleSpec] = {}
        at: Role | None = self
        while at is not None and at.id not in roles:
            roles[at.id] = at.spec()
            at = at.parent
        return roles

    def spec(self) -> policy.RoleSpec:
        """Return what the policy needs to know of this role."""
        return policy.RoleSpec(parent=self.parent_id, permissions=frozenset(self.permissions))
