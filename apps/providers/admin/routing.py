"""Rules of routing and the gateway's settings in the console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model as DjangoModel
from django.http import HttpRequest
from typing_extensions import override

from apps.core.errors import KarenError
from apps.providers.admin.saving import ServiceAdmin, check_shape, in_scope_of, refuse
from apps.providers.models import GatewaySettings, RoutingPolicy
from apps.providers.services import (
    GatewayFields,
    PolicyFields,
    gateway_settings,
    routing_policies,
)
from apps.providers.services.access import owned


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A rule of routing, checked before it counts."""

    class Meta:
        model = RoutingPolicy
        fields = (
            "tenant",
            "name",
            "position",
            "is_enabled",
            "conditions",
            "routes",
            "fallbacks",
        )

    @override
    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        parts = {name: data.get(name) or {} for name in ("conditions", "routes", "fallbacks")}
        try:
            routing_policies.check_parts(parts)
        except KarenError as error:
            refuse(self, error)
        return data | parts


@admin.register(RoutingPolicy)
class RoutingPolicyAdmin(ServiceAdmin):
    """Rules of routing of the platform and of every workspace."""

    form = PolicyForm
    list_display = ("name", "tenant", "position", "is_enabled", "updated_at")
    list_filter = (("tenant", admin.EmptyFieldListFilter), "is_enabled")
    list_select_related = ("tenant",)
    search_fields = ("name", "tenant__slug", "tenant__name")
    autocomplete_fields = ("tenant",)

    @override
    def save_model(
        self, request: HttpRequest, obj: RoutingPolicy, form: PolicyForm, change: bool
    ) -> None:
        taken = set(PolicyFields.model_fields)
        values = {name: value for name, value in form.cleaned_data.items() if name in taken}
        with in_scope_of(obj) as actor:
            fields = PolicyFields.model_validate(values)
            if change:
                routing_policies.change_routing_policy(actor=actor, policy_id=obj.pk, fields=fields)
            else:
                obj.pk = routing_policies.create_routing_policy(actor=actor, fields=fields).id
        obj.refresh_from_db()

    @override
    def delete_model(self, request: HttpRequest, obj: RoutingPolicy) -> None:
        with in_scope_of(obj) as actor:
            routing_policies.delete_routing_policy(actor=actor, policy_id=obj.pk)


class GatewayForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The gateway's settings of one workspace, or of the platform."""

    class Meta:
        model = GatewaySettings
        fields = ("tenant", *GatewayFields.model_fields)

    @override
    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        values = {name: data[name] for name in GatewayFields.model_fields if name in data}
        check_shape(self, GatewayFields, values)
        return data


@admin.register(GatewaySettings)
class GatewaySettingsAdmin(ServiceAdmin):
    """What workspaces decided about the gateway; the row without one is the default."""

    form = GatewayForm
    list_display = ("__str__", "default_model", "cache_ttl_s", "updated_at")
    list_filter = (("tenant", admin.EmptyFieldListFilter),)
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name", "default_model")
    autocomplete_fields = ("tenant",)

    @override
    def has_delete_permission(self, request: HttpRequest, obj: DjangoModel | None = None) -> bool:
        return False

    @override
    def save_model(
        self, request: HttpRequest, obj: GatewaySettings, form: GatewayForm, change: bool
    ) -> None:
        values = {name: form.cleaned_data[name] for name in GatewayFields.model_fields}
        with in_scope_of(obj) as actor:
            gateway_settings.change_gateway_settings(
                actor=actor, fields=GatewayFields.model_validate(values)
            )
        mine = GatewaySettings.objects.filter(owned(obj.tenant_id))
        obj.pk = mine.values_list("pk", flat=True).get()
        obj.refresh_from_db()
