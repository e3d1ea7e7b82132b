"""Settings, providers: what the workspace reaches models through, for who administers it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.errors import KarenError
from apps.providers.errors import OfferedByPlatform, ProviderModelNotFound, ProviderNotFound
from apps.providers.services import ProviderFields, examinations, model_status, providers
from apps.web.access import needs
from apps.web.provider_forms import KeyForm, NewModelForm, NewProviderForm, ProviderForm

_LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent_calls")


@contextmanager
def missing_is_404() -> Iterator[None]:
    """Show that there is no such page where there is nothing to change.

    Raises:
        Http404: The provider or model is not this workspace's.
    """
    try:
        yield
    except (ProviderNotFound, ProviderModelNotFound, OfferedByPlatform) as error:
        raise Http404 from error


@needs(TENANT_ADMIN)
@never_cache
@sensitive_post_parameters("key")
@require_http_methods(["GET", "POST"])
def provider_list(request: HttpRequest) -> HttpResponse:
    """List providers; with `?preset=` the form of a new one, which POST sets up."""
    actor = scope.current_actor()
    presets = {preset.slug: preset for preset in providers.list_presets(actor=actor)}
    chosen = presets.get(str((request.POST or request.GET).get("preset", "")))
    form = None
    if chosen is not None:
        known = {"slug": chosen.slug, "label": chosen.label, "base_url": chosen.base_url}
        form = NewProviderForm(
            request.POST or None,
            initial={"preset": chosen.slug, "models": chosen.models[:1], **known},
            names=chosen.models,
            hint=chosen.key_hint,
            needs_key=chosen.needs_key,
        )
        if form.is_valid():
            made = _set_up(form)
            if made is not None:
                return redirect("provider_page", made)
    context = {
        "providers": providers.list_providers(actor=actor),
        "presets": presets.values(),
        "chosen": chosen,
        "form": form,
        "place": "providers",
    }
    return render(request, "web/providers/list.html", context)


@needs(TENANT_ADMIN)
@never_cache
@require_GET
def provider_status(request: HttpRequest) -> HttpResponse:
    """Show how each model does; a part of the page for htmx, which asks again and again."""
    status = model_status.list_model_status(actor=scope.current_actor())
    context = {
        "models": status,
        "troubled": model_status.troubled_models(status),
        "place": "status",
    }
    part = "web/providers/status_table.html" if request.headers.get("HX-Request") else ""
    return render(request, part or "web/providers/status.html", context)


def _set_up(form: NewProviderForm) -> UUID | None:
    values = dict(form.cleaned_data)
    key, names = values.pop("key"), tuple(values.pop("models"))
    try:
        fields = ProviderFields.model_validate({k: v for k, v in values.items() if v})
        made = providers.create_provider(
            actor=scope.current_actor(), fields=fields, key=key, models=names
        )
    except ValueError:  # of the shapes only this one can be wrong here
        form.add_error("slug", _("Use small letters, digits, dashes and underscores."))
    except KarenError as error:
        form.refuse(error)
    else:
        return made.id
    return None


def render_provider(
    request: HttpRequest, provider_id: UUID, status: int = 200, **more: Any
) -> HttpResponse:
    """Show the page of one provider; `more` replaces parts of it, such as a form with errors.

    Raises:
        Http404: It is not this workspace's.
    """
    with missing_is_404():
        view = providers.get_provider(actor=scope.current_actor(), provider_id=provider_id)
        if not view.is_editable:
            raise OfferedByPlatform
    presets = {each.slug: each for each in providers.list_presets(actor=scope.current_actor())}
    preset = presets.get(view.preset)
    names = ("label", "base_url", "is_trusted", "simulate_failure", *_LIMITS)
    context = {
        "provider": view,
        "provider_id": view.id,
        "preset": preset,
        "form": ProviderForm(initial={name: getattr(view, name) for name in names}),
        "key_form": KeyForm(hint=preset.key_hint if preset else ""),
        "model_form": NewModelForm(),
        "place": "providers",
        **more,
    }
    return render(request, "web/providers/detail.html", context, status=status)


@needs(TENANT_ADMIN)
@never_cache
@require_http_methods(["GET", "POST"])
def provider_page(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Show one provider; POST changes it."""
    if request.method == "GET":
        return render_provider(request, provider_id)
    form = ProviderForm(request.POST)
    if form.is_valid():
        with missing_is_404():
            try:
                before = providers.get_provider(
                    actor=scope.current_actor(), provider_id=provider_id
                )
                after = providers.change_provider(
                    actor=scope.current_actor(),
                    provider_id=provider_id,
                    fields=ProviderFields.model_validate(form.cleaned_data),
                )
            except (ProviderNotFound, OfferedByPlatform):
                raise
            except KarenError as error:
                form.refuse(error)
            else:
                _say_saved(request, key_forgotten=before.has_key and not after.has_key)
                return redirect("provider_page", provider_id)
    return render_provider(request, provider_id, form=form)


def _say_saved(request: HttpRequest, *, key_forgotten: bool) -> None:
    if key_forgotten:
        messages.warning(request, _("Saved. The key was for the other server: set it anew."))
    else:
        messages.success(request, _("Saved."))


@needs(TENANT_ADMIN)
@never_cache
@sensitive_post_parameters("key")
@require_POST
def provider_key(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Set the key, or forget it with `remove`."""
    actor = scope.current_actor()
    if "remove" in request.POST:
        with missing_is_404():
            providers.remove_provider_key(actor=actor, provider_id=provider_id)
        messages.success(request, _("The key is forgotten."))
        return redirect("provider_page", provider_id)
    form = KeyForm(request.POST)
    if form.is_valid():
        with missing_is_404():
            try:
                providers.set_provider_key(
                    actor=actor, provider_id=provider_id, key=form.cleaned_data["key"]
                )
            except (ProviderNotFound, OfferedByPlatform):
                raise
            except KarenError as error:
                form.refuse(error)
            else:
                messages.success(request, _("The key is kept. Nobody can read it again."))
                return redirect("provider_page", provider_id)
    return render_provider(request, provider_id, key_form=form)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def provider_switch(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Turn a provider on (`on`) or off."""
    fields = ProviderFields(is_enabled=request.POST.get("on") == "yes")
    with missing_is_404():
        providers.change_provider(
            actor=scope.current_actor(), provider_id=provider_id, fields=fields
        )
    messages.success(request, _("It is on.") if fields.is_enabled else _("It is off."))
    return redirect("provider_page", provider_id)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def provider_delete(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Delete a provider with its key and models."""
    with missing_is_404():
        providers.delete_provider(actor=scope.current_actor(), provider_id=provider_id)
    messages.success(request, _("The provider is deleted, and its key with it."))
    return redirect("providers_page")


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def provider_test(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Try a provider out; a part of the page for htmx, the whole page otherwise."""
    with missing_is_404():
        try:
            context: dict[str, Any] = {
                "examination": examinations.examine_provider(
                    actor=scope.current_actor(),
                    provider_id=provider_id,
                    model=request.POST.get("model", ""),
                )
            }
        except (ProviderNotFound, OfferedByPlatform):
            raise
        except KarenError as error:
            context = {"examination_error": error.message()}
    if request.headers.get("HX-Request"):
        return render(request, "web/providers/examination.html", context)
    return render_provider(request, provider_id, **context)
