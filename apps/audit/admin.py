"""The audit record in the operators' console: read and filtered, never changed."""

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from typing_extensions import override
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from apps.audit.models import AuditEntry
from apps.audit.registry import action_label, registered_actions


class ActionFilter(admin.SimpleListFilter):
    """Filter by what was done; the choices come from the registry, not from a scan of the table."""

    title = gettext_lazy("action")
    parameter_name = "action"

    @override
    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[AuditEntry]"
    ) -> list[tuple[str, str]]:
        """Return every declared action."""
        return sorted(registered_actions().items(), key=lambda item: item[1])

    @override
    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        """Keep the entries of the chosen action."""
        wanted = self.value()
        return queryset.filter(action=wanted) if wanted else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Who did what; nobody adds, changes or deletes an entry here."""

    list_display = ("at", "actor_label", "what", "target_label", "tenant_id")
    list_filter = (ActionFilter, "actor_kind")
    search_fields = ("actor_label", "target_label", "correlation_id")
    # Counting a table that only grows would make its list slower every day.
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = (
        "at",
        "what",
        "action",
        "actor_label",
        "actor_kind",
        "actor_id",
        "tenant_id",
        "target_type",
        "target_label",
        "target_id",
        "before",
        "after",
        "more",
        "correlation_id",
        "backfilled",
    )

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Entries are recorded by services."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """An entry is what it was."""
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """The record is append-only."""
        return False

    @admin.display(description=gettext_lazy("action"))
    def what(self, entry: AuditEntry) -> str:
        """Show the action's sentence."""
        return action_label(entry.action)

    @admin.display(description=gettext_lazy("before"))
    def before(self, entry: AuditEntry) -> str:
        """Show the old values."""
        return _readable(entry.old)

    @admin.display(description=gettext_lazy("after"))
    def after(self, entry: AuditEntry) -> str:
        """Show the new values."""
        return _readable(entry.new)

    @admin.display(description=gettext_lazy("more"))
    def more(self, entry: AuditEntry) -> str:
        """Show what else was recorded."""
        return _readable(entry.data)


def _readable(values: object) -> str:
    return "" if values is None else json.dumps(values, indent=2, sort_keys=True)
