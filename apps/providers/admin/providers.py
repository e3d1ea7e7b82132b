"""Providers and their models in the console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from pydantic import ValidationError
from typing_extensions import override
from unfold.admin import TabularInline

from apps.core.errors import InvalidInput, KarenError
from apps.core.scope import Actor
from apps.providers.admin.saving import ServiceAdmin, check_shape, in_scope_of, refuse
from apps.providers.domain.presets import PRESETS
from apps.providers.models import Model, Provider
from apps.providers.services import (
    ModelFields,
    ProviderFields,
    examinations,
    models,
    providers,
)


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A provider; its key goes in here and is never shown."""

    preset = forms.ChoiceField(
        required=False, choices=[("", "—"), *((p.slug, p.label) for p in PRESETS.values())]
    )
    key = forms.CharField(
        required=False,
        max_length=providers.KEY_MAX_CHARACTERS,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Write-only. Empty keeps the one that is there."),
    )

    class Meta:
        model = Provider
        fields = (
            "tenant",
            "preset",
            "slug",
            "label",
            "adapter",
            "base_url",
            "is_enabled",
            "is_trusted",
            "simulate_failure",
            "requests_per_minute",
            "tokens_per_minute",
            "concurrent_calls",
        )

    @override
    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.errors:
            return data
        tenant = data.get("tenant") or self.instance.tenant
        check_shape(self, ProviderFields, self.written())
        if self.errors:
            return data
        try:
            if self.instance._state.adding:
                providers.check_slug(data["slug"])
            providers.check_adapter(data["adapter"], owner_id=tenant.pk if tenant else None)
            if "base_url" in self.changed_data:
                providers.check_address(
                    data["base_url"].strip().rstrip("/"),
                    owner_id=tenant.pk if tenant else None,
                    required=data["adapter"] == "openai_compatible",
                )
            if data.get("key"):
                providers.check_key(data["key"])
        except KarenError as error:
            refuse(self, error)
        return data

    def written(self) -> dict[str, Any]:
        """Return what the service takes: everything on a new row, else what changed."""
        names = self.cleaned_data if self.instance._state.adding else self.changed_data
        taken = set(ProviderFields.model_fields)
        return {name: self.cleaned_data[name] for name in names if name in taken}


class ModelInline(TabularInline):  # type: ignore[misc]  # untyped library
    """A provider's models."""

    model = Model
    extra = 0
    fields = (
        "name",
        "label",
        "position",
        "is_enabled",
        "context_tokens",
        "supports_tools",
        "supports_vision",
        "supports_formats",
        "supports_reasoning",
        "is_embedder",
        "input_price",
        "cached_price",
        "output_price",
        "price_key",
    )


@admin.register(Provider)
class ProviderAdmin(ServiceAdmin):
    """Providers of the platform and of every workspace."""

    form = ProviderForm
    inlines = (ModelInline,)
    list_display = ("slug", "label", "tenant", "is_enabled", "has_key", "key_refused_at")
    list_filter = (
        ("tenant", admin.EmptyFieldListFilter),
        ("key_refused_at", admin.EmptyFieldListFilter),
        "is_enabled",
        "simulate_failure",
        "preset",
    )
    list_select_related = ("tenant",)
    search_fields = ("slug", "label", "base_url", "tenant__slug", "tenant__name")
    readonly_fields = ("key_state", "created_at", "updated_at")
    fixed_fields = ("tenant", "preset", "slug")
    autocomplete_fields = ("tenant",)
    actions = ("enable", "disable", "simulate", "end_simulation", "examine")
    fieldsets = (
        (None, {"fields": ("tenant", "preset", "slug", "label", "adapter", "base_url")}),
        ("Key", {"fields": ("key_state", "key")}),
        ("Use", {"fields": ("is_enabled", "is_trusted", "simulate_failure")}),
        (
            "Limits",
            {"fields": ("requests_per_minute", "tokens_per_minute", "concurrent_calls")},
        ),
        ("Dates", {"fields": ("created_at", "updated_at")}),
    )

    @admin.display(boolean=True, description=gettext_lazy("key"))
    def has_key(self, row: Provider) -> bool:
        """Say whether a key is kept."""
        return row.sealed_key is not None

    @admin.display(description=gettext_lazy("kept key"))
    def key_state(self, row: Provider) -> str:
        """Say which key is kept, without showing it."""
        if row.sealed_key is None:
            return _("none")
        refused = _(", refused by the provider") if row.key_refused_at else ""
        return (f"…{row.key_hint}" if row.key_hint else _("a short one")) + refused

    @override
    @method_decorator(sensitive_post_parameters("key"))
    def changeform_view(self, request: HttpRequest, *args: Any, **more: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **more)

    @override
    def save_model(
        self, request: HttpRequest, obj: Provider, form: ProviderForm, change: bool
    ) -> None:
        key = form.cleaned_data.get("key") or ""
        values = {name: value for name, value in form.written().items() if value != ""}
        with in_scope_of(obj) as actor:
            fields = ProviderFields.model_validate(values)
            if not change:
                obj.pk = providers.create_provider(actor=actor, fields=fields, key=key).id
            else:
                providers.change_provider(actor=actor, provider_id=obj.pk, fields=fields)
                if key:
                    providers.set_provider_key(actor=actor, provider_id=obj.pk, key=key)
        obj.refresh_from_db()

    @override
    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        provider: Provider = form.instance
        formset.save(commit=False)
        with in_scope_of(provider) as actor:
            for row in formset.deleted_objects:
                models.delete_model(actor=actor, provider_id=provider.pk, model_id=row.pk)
            for each in formset.forms:
                if each.instance not in formset.deleted_objects and each.has_changed():
                    _save_model(actor, provider, each)

    @override
    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        with in_scope_of(obj) as actor:
            providers.delete_provider(actor=actor, provider_id=obj.pk)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Say whether this operator may switch and test providers."""
        return request.user.has_perm("providers.change_provider")

    def _switch(self, request: HttpRequest, chosen: QuerySet[Provider], **values: bool) -> None:
        fields = ProviderFields(**values)  # type: ignore[arg-type]  # only switches come here

        def change(actor: Actor, row: Provider) -> str:
            providers.change_provider(actor=actor, provider_id=row.pk, fields=fields)
            return _("done.")

        self.each(request, chosen, change)

    @admin.action(permissions=["operate"], description=gettext_lazy("Turn chosen providers on"))
    def enable(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Offer the chosen providers."""
        self._switch(request, chosen, is_enabled=True)

    @admin.action(permissions=["operate"], description=gettext_lazy("Turn chosen providers off"))
    def disable(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Offer the chosen providers no more."""
        self._switch(request, chosen, is_enabled=False)

    @admin.action(permissions=["operate"], description=gettext_lazy("Simulate a failure"))
    def simulate(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Have every call of the chosen providers fail."""
        self._switch(request, chosen, simulate_failure=True)

    @admin.action(permissions=["operate"], description=gettext_lazy("End a simulated failure"))
    def end_simulation(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Have calls of the chosen providers succeed again."""
        self._switch(request, chosen, simulate_failure=False)

    @admin.action(permissions=["operate"], description=gettext_lazy("Test chosen providers"))
    def examine(self, request: HttpRequest, chosen: QuerySet[Provider]) -> None:
        """Try the chosen providers, each with its first model."""

        def ask(actor: Actor, row: Provider) -> str:
            first = Model.objects.filter(provider=row, is_enabled=True, is_embedder=False).first()
            found = examinations.examine_provider(
                actor=actor, provider_id=row.pk, model=first.name if first else ""
            )
            if not found.ok:
                raise InvalidInput(f"{found.summary} {found.advice}")
            return found.summary

        self.each(request, chosen, ask)


def _save_model(actor: Actor, provider: Provider, form: Any) -> None:  # noqa: ANN401  # a formset's form
    names = [name for name in form.changed_data if name in ModelFields.model_fields]
    fields = _model_fields({name: form.cleaned_data[name] for name in names})
    if form.instance._state.adding:
        models.add_model(actor=actor, provider_id=provider.pk, fields=fields)
    else:
        models.change_model(
            actor=actor, provider_id=provider.pk, model_id=form.instance.pk, fields=fields
        )


def _model_fields(values: dict[str, Any]) -> ModelFields:
    try:
        return ModelFields.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(f"{first['loc'][0]}: {first['msg']}") from error
