"""The operators' view of guardrails; workspaces choose for themselves, through services."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin

from apps.providers.models.guardrails import ContentRule, GuardrailDecision, GuardrailPolicy


class _ReadOnly(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Rows that only services make and change."""

    @override
    def has_add_permission(self, request: HttpRequest, *_args: Any) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(GuardrailPolicy)
class GuardrailPolicyAdmin(_ReadOnly):
    """What workspaces have chosen."""

    list_display = ("tenant", "level", "pii_action", "injection_action", "updated_at")
    list_filter = ("level", "pii_action", "injection_action")
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")


@admin.register(ContentRule)
class ContentRuleAdmin(_ReadOnly):
    """Workspaces' own rules."""

    list_display = ("name", "tenant", "kind", "action", "stage", "enabled")
    list_filter = ("kind", "action", "stage", "enabled")
    list_select_related = ("tenant",)
    search_fields = ("name", "tenant__slug")


@admin.register(GuardrailDecision)
class GuardrailDecisionAdmin(_ReadOnly):
    """What was decided; never what it was about."""

    list_display = ("created_at", "tenant", "rule", "action", "stage", "flow", "count")
    list_filter = ("action", "stage", "flow")
    list_select_related = ("tenant",)
    search_fields = ("rule", "tenant__slug")
