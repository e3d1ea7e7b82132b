"""The operators' view of the gateway: what was called, and what may be spent."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from typing_extensions import override
from unfold.admin import ModelAdmin

from apps.audit import services as audit
from apps.core import scope
from apps.providers import configuration
from apps.providers.models import Budget, Call
from apps.tenants import selectors as tenants

_COUNTED_MAX = 10_000
_WORKSPACES_MAX = 500


class _Bounded(Paginator):  # type: ignore[type-arg]  # not subscriptable at run time
    """Pages of a table that is too large to be counted at each look."""

    @cached_property
    @override
    def count(self) -> int:
        """How many rows there are, or the most that are paged through."""
        rows: QuerySet[Call] = self.object_list  # type: ignore[assignment]  # the admin passes one
        return rows.order_by()[:_COUNTED_MAX].count()


class _Workspace(admin.SimpleListFilter):
    title = _("workspace")
    parameter_name = "workspace"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        refs = sorted(tenants.list_refs(), key=lambda ref: ref.slug)[:_WORKSPACES_MAX]
        return [("none", str(_("The platform itself"))), *((str(r.id), r.slug) for r in refs)]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        value = self.value()
        if value == "none":
            return queryset.filter(tenant_id__isnull=True)
        known = {key for key, _slug in self.lookup_choices}
        return queryset.filter(tenant_id=value) if value in known else queryset


class _Outcome(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "outcome"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("ok", _("Answered")),
            ("closed", _("Nobody read on")),
            ("failed", _("Failed")),
            ("unpriced", _("Price not known")),
        ]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        match self.value():
            case "ok" | "closed" as status:
                return queryset.filter(status=status)
            case "failed":
                return queryset.exclude(status__in=("ok", "closed"))
            case "unpriced":
                return queryset.filter(cost__isnull=True, prompt_tokens__isnull=False)
            case _:
                return queryset


@admin.register(Call)
class CallAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """The ledger, newest first; nobody changes it."""

    list_display = (
        "started_at", "workspace", "flow", "model", "status", "prompt_tokens",
        "completion_tokens", "cost", "price_source", "first_ms", "total_ms", "correlation_id",
    )  # fmt: skip
    list_display_links = None
    list_filter = (_Workspace, "started_at", _Outcome)
    list_per_page = 50
    show_full_result_count = False
    paginator = _Bounded

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        self._slugs = {ref.id: ref.slug for ref in tenants.list_refs()}
        rows: QuerySet[Call] = super().get_queryset(request)
        return rows

    @admin.display(description=_("workspace"))
    def workspace(self, row: Call) -> str:
        """Return the workspace's name in addresses."""
        return self._slugs.get(row.tenant_id, str(row.tenant_id)) if row.tenant_id else "–"

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Budget)
class BudgetAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Budgets of all workspaces; each change is on record and takes effect within a second."""

    list_display = ("tenant", "level", "unit", "period", "amount", "is_hard", "is_enabled")
    list_filter = ("level", "unit", "period", "is_enabled")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    autocomplete_fields = ("tenant",)

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> Any:
        # What was used counts for somebody: another subject would be another budget.
        return ("tenant", "level", "subject_id", "unit", "period") if obj else ()

    @override
    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        _announce("budget.changed" if change else "budget.created", obj)

    @override
    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        _announce("budget.deleted", obj)
        super().delete_model(request, obj)

    @override
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Budget]) -> None:
        for row in queryset:
            self.delete_model(request, row)


def _announce(action: str, row: Budget) -> None:
    with scope.tenant_scope(tenants.find_ref(row.tenant_id)):
        values = {"amount": f"{row.amount:f}", "is_hard": row.is_hard, "is_enabled": row.is_enabled}
        audit.record(
            action=action,
            target_type="budget",
            target_id=row.pk,
            target_label=str(row),
            data=values,
        )
        configuration.changed()
