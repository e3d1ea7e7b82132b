"""Workspaces in the operators' console: looked at here, changed through services only."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy
from pydantic import ValidationError as PydanticError
from typing_extensions import override
from unfold.admin import ModelAdmin, TabularInline

from apps.core.errors import KarenError
from apps.tenants import services
from apps.tenants.contracts import PlanLimits
from apps.tenants.models import Domain, Plan, Tenant


class _LookOnly(BaseModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    """Rows are made and changed by services; the console shows them."""

    @override
    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody adds a row by hand."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody edits a row by hand."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody deletes a row by hand."""
        return False


class DomainInline(_LookOnly, TabularInline):  # type: ignore[misc]  # untyped library
    """A workspace's host names."""

    model = Domain
    fields = ("domain", "is_primary")
    extra = 0


@admin.register(Tenant)
class TenantAdmin(_LookOnly, ModelAdmin):  # type: ignore[misc]  # untyped library
    """Workspaces, with suspending and resuming."""

    list_display = ("name", "slug", "state", "plan", "created_at")
    list_filter = ("state", "plan")
    list_select_related = ("plan",)
    search_fields = ("name", "slug")
    ordering = ("-created_at",)
    fields = (
        "name",
        "slug",
        "state",
        "plan",
        "schema_name",
        "schema_version",
        "db_alias",
        "created_at",
    )
    inlines = (DomainInline,)
    actions = ("suspend", "resume")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Say whether this operator may suspend and resume."""
        return request.user.has_perm("tenants.change_tenant")

    @admin.action(permissions=["operate"], description=gettext_lazy("Suspend chosen workspaces"))
    def suspend(self, request: HttpRequest, chosen: QuerySet[Tenant]) -> None:
        """Close the chosen workspaces to their people."""
        self._each(request, chosen, lambda tenant_id: services.suspend_tenant(tenant_id=tenant_id))

    @admin.action(permissions=["operate"], description=gettext_lazy("Resume chosen workspaces"))
    def resume(self, request: HttpRequest, chosen: QuerySet[Tenant]) -> None:
        """Open the chosen workspaces again."""
        self._each(request, chosen, lambda tenant_id: services.resume_tenant(tenant_id=tenant_id))

    @override
    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer to put workspaces on each plan."""
        actions: dict[str, Any] = super().get_actions(request)
        if self.has_operate_permission(request):
            for plan in Plan.objects.all():
                name = f"put_on_plan_{plan.pk.hex}"
                label = _("Put chosen workspaces on plan “%(plan)s”") % {"plan": plan.name}
                actions[name] = (_put_on(plan.pk), name, label)
        return actions

    def _each(
        self, request: HttpRequest, chosen: QuerySet[Tenant], change: Callable[[UUID], None]
    ) -> None:
        for tenant in chosen:
            try:
                change(tenant.pk)
            except KarenError as error:
                messages.error(request, f"{tenant.name}: {error.message()}")
            else:
                messages.success(request, _("%(name)s: done.") % {"name": tenant.name})


def _put_on(plan_id: UUID) -> Callable[[TenantAdmin, HttpRequest, QuerySet[Tenant]], None]:
    def put(console: TenantAdmin, request: HttpRequest, chosen: QuerySet[Tenant]) -> None:
        console._each(
            request,
            chosen,
            lambda tenant_id: services.put_on_plan(tenant_id=tenant_id, plan_id=plan_id),
        )

    return put


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A plan whose limits are checked before they count."""

    class Meta:
        model = Plan
        fields = ("name", "limits")

    def clean_limits(self) -> dict[str, int]:
        """Accept known limits in their ranges; say what does not fit.

        Raises:
            ValidationError: A limit is unknown or out of its range.
        """
        try:
            limits = PlanLimits.model_validate(self.cleaned_data["limits"] or {})
        except PydanticError as error:
            problems = [
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False)
            ]
            raise forms.ValidationError(problems) from error
        return limits.model_dump(exclude_none=True)


@admin.register(Plan)
class PlanAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """What workspaces may use."""

    form = PlanForm
    list_display = ("name", "limits", "created_at")
    search_fields = ("name",)


@admin.register(Domain)
class DomainAdmin(_LookOnly, ModelAdmin):  # type: ignore[misc]  # untyped library
    """Host names of all workspaces."""

    list_display = ("domain", "tenant", "is_primary")
    list_filter = ("is_primary",)
    list_select_related = ("tenant",)
    search_fields = ("domain", "tenant__name")
    fields = ("domain", "tenant", "is_primary")

    @override
    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Order by host name."""
        return ("domain",)
