"""Workspaces in the operators' console: looked at here, changed through services only."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import BaseModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy
from typing_extensions import override
from unfold.admin import ModelAdmin, TabularInline

from apps.core.errors import KarenError
from apps.tenants import services
from apps.tenants.models import Domain, Tenant


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

    list_display = ("name", "slug", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("name", "slug")
    ordering = ("-created_at",)
    fields = ("name", "slug", "state", "schema_name", "schema_version", "db_alias", "created_at")
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
