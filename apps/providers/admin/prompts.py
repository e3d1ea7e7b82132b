"""The platform's prompts in the operators' console; workspaces' own are theirs to see."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _, gettext_lazy
from typing_extensions import override
from unfold.admin import ModelAdmin

from apps.core import scope
from apps.core.errors import KarenError
from apps.providers import registry
from apps.providers.domain.drafts import DraftFault, json_of, spec_from
from apps.providers.models.prompts import Prompt, PromptVersion
from apps.providers.permissions import EDIT_PROMPTS
from apps.providers.services import prompts


class NewVersionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Another wording of a prompt that ships with Karen."""

    name = forms.ChoiceField(label=gettext_lazy("prompt"))
    wording = forms.JSONField(
        help_text=gettext_lazy("As docs/prompts.md describes it; `messages` at least.")
    )

    class Meta:
        model = PromptVersion
        fields = ("note",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [spec.name for spec in registry.prompt_specs()]
        choice = self.fields["name"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(name, name) for name in names]

    @override
    def clean(self) -> dict[str, Any]:
        """Refuse a wording that cannot be used, with the part and the reason."""
        data: dict[str, Any] = super().clean() or {}
        shipped = registry.find_prompt_spec(data.get("name", ""))
        wording = data.get("wording")
        if shipped is None or wording is None:
            return data
        try:
            if not isinstance(wording, dict):
                raise DraftFault("wording", "must be an object")  # noqa: TRY301  # told beside the others
            data["wording"] = json_of(spec_from(wording, name=shipped.name, shipped=shipped))
        except DraftFault as fault:
            self.add_error("wording", f"{fault.part} {fault.problem}.")
        return data


class _PlatformOnly(ModelAdmin):  # type: ignore[misc]  # untyped library
    """Rows without a workspace; kept for good and changed through services."""

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a row by hand."""
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Say whether this operator may decide what holds."""
        return request.user.has_perm("providers.change_prompt")


@admin.register(Prompt)
class PromptAdmin(_PlatformOnly):
    """Prompts that the platform words itself, with rolling back."""

    list_display = ("name", "active", "versions_made", "updated_at")
    list_select_related = ("active",)
    search_fields = ("name",)
    fields = ("name", "active", "history", "versions_made", "created_at", "updated_at")
    actions = ("roll_back", "give_way")

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        """A prompt comes with its first version."""
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody edits a row by hand."""
        return False

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Prompt]:
        """Leave out what workspaces wrote."""
        found: QuerySet[Prompt] = super().get_queryset(request)
        return found.filter(tenant__isnull=True)

    @admin.action(permissions=["operate"], description=gettext_lazy("Roll chosen prompts back"))
    def roll_back(self, request: HttpRequest, chosen: QuerySet[Prompt]) -> None:
        """Have the version hold again that held before."""
        for row in chosen:
            change = partial(prompts.rollback_prompt, name=row.name)
            _told(request, row.name, change)

    @admin.action(permissions=["operate"], description=gettext_lazy("Use the shipped wording"))
    def give_way(self, request: HttpRequest, chosen: QuerySet[Prompt]) -> None:
        """Have the wording hold that ships with Karen."""
        for row in chosen:
            change = partial(prompts.activate_prompt_version, name=row.name, number=0)
            _told(request, row.name, change)


@admin.register(PromptVersion)
class PromptVersionAdmin(_PlatformOnly):
    """Versions of the platform's prompts, with activating one."""

    form = NewVersionForm
    list_display = ("prompt", "number", "note", "author_label", "created_at")
    list_select_related = ("prompt",)
    search_fields = ("prompt__name", "note")
    actions = ("activate",)

    @override
    def get_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        """Ask for a wording, or show one."""
        if obj is None:
            return ("name", "wording", "note")
        return ("prompt", "number", "messages", "role", "think_first", "examples", "note")

    @override
    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A version is never changed."""
        return False

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptVersion]:
        """Leave out what workspaces wrote."""
        found: QuerySet[PromptVersion] = super().get_queryset(request)
        return found.filter(prompt__tenant__isnull=True)

    @override
    def save_model(
        self, request: HttpRequest, obj: PromptVersion, form: NewVersionForm, change: bool
    ) -> None:
        """Keep a version through the service, inside the console's transaction."""
        data = form.cleaned_data
        made = prompts.create_prompt_version(
            actor=scope.current_actor(),
            permission=EDIT_PROMPTS,
            name=data["name"],
            draft=data["wording"],
            note=data["note"],
        )
        kept = PromptVersion.objects.get(
            prompt__tenant__isnull=True, prompt__name=data["name"], number=made.number
        )
        obj.pk, obj.prompt, obj.number = kept.pk, kept.prompt, kept.number

    @override
    def log_addition(self, request: HttpRequest, obj: object, message: object) -> None:
        """The audit record has it."""

    @admin.action(permissions=["operate"], description=gettext_lazy("Activate chosen version"))
    def activate(self, request: HttpRequest, chosen: QuerySet[PromptVersion]) -> None:
        """Have the chosen versions hold for every workspace without one of its own."""
        for row in chosen.select_related("prompt"):
            name = row.prompt.name
            change = partial(prompts.activate_prompt_version, name=name, number=row.number)
            _told(request, name, change)


def _told(request: HttpRequest, name: str, change: Callable[..., object]) -> None:
    try:
        change(actor=scope.current_actor(), permission=EDIT_PROMPTS)
    except KarenError as error:
        messages.error(request, f"{name}: {error.message()}")
    else:
        messages.success(request, _("%(name)s: done.") % {"name": name})
