"""Settings, providers: the models of one."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.errors import KarenError
from apps.providers.errors import OfferedByPlatform, ProviderModelNotFound, ProviderNotFound
from apps.providers.services import ModelFields, ModelView, examinations, models, providers
from apps.web.access import needs
from apps.web.provider_forms import ModelForm, NewModelForm, answer_of
from apps.web.views.providers import missing_is_404, render_provider

_GONE = (ProviderNotFound, ProviderModelNotFound, OfferedByPlatform)
_FACTS = ("supports_tools", "supports_vision", "supports_formats", "supports_reasoning")
_PRICES = ("input_price", "cached_price", "output_price")


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def discover(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Ask a provider for its models; a part of the page for htmx, the whole page otherwise."""
    context: dict[str, Any] = {}
    with missing_is_404():
        try:
            context["discovered"] = examinations.discover_models(
                actor=scope.current_actor(), provider_id=provider_id
            )
        except _GONE:
            raise
        except KarenError as error:
            context["discovery_error"] = error.message()
    if request.headers.get("HX-Request"):
        context["provider_id"] = provider_id
        return render(request, "web/providers/discovery.html", context)
    return render_provider(request, provider_id, **context)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def adopt(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Add the models that were ticked in the list."""
    with missing_is_404():
        try:
            added = examinations.adopt_models(
                actor=scope.current_actor(),
                provider_id=provider_id,
                names=request.POST.getlist("names"),
            )
        except _GONE:
            raise
        except KarenError as error:
            messages.error(request, error.message())
        else:
            count = len(added)
            text = ngettext("%(count)d model added.", "%(count)d models added.", count)
            messages.success(request, text % {"count": count})
    return redirect("provider_page", provider_id)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def add(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """Add a model by its name."""
    form = NewModelForm(request.POST)
    if form.is_valid():
        with missing_is_404():
            try:
                models.add_model(
                    actor=scope.current_actor(),
                    provider_id=provider_id,
                    fields=ModelFields.model_validate(form.cleaned_data),
                )
            except _GONE:
                raise
            except ValueError:  # of the shapes only this one can be wrong here
                form.add_error("name", _("A name has no blanks."))
            except KarenError as error:
                form.refuse(error)
            else:
                messages.success(request, _("The model is added."))
                return redirect("provider_page", provider_id)
    return render_provider(request, provider_id, model_form=form)


@needs(TENANT_ADMIN)
@never_cache
@require_http_methods(["GET", "POST"])
def model_page(request: HttpRequest, provider_id: UUID, model_id: UUID) -> HttpResponse:
    """Show what is known of a model; POST changes it."""
    with missing_is_404():
        view = providers.get_provider(actor=scope.current_actor(), provider_id=provider_id)
        model = next((each for each in view.models if each.id == model_id), None)
        if model is None or not view.is_editable:
            raise Http404
        form = ModelForm(request.POST or None, initial=_initial(model))
        if form.is_valid():
            try:
                models.change_model(
                    actor=scope.current_actor(),
                    provider_id=provider_id,
                    model_id=model_id,
                    fields=ModelFields.model_validate(form.cleaned_data),
                )
            except _GONE:
                raise
            except KarenError as error:
                form.refuse(error)
            else:
                messages.success(request, _("Saved."))
                return redirect("provider_page", provider_id)
    context = {"provider": view, "model": model, "form": form, "place": "providers"}
    return render(request, "web/providers/model.html", context)


def _initial(model: ModelView) -> dict[str, Any]:
    stated = set(model.stated)
    is_own = model.price_source == "own price"
    return {
        "label": "" if model.label == model.name else model.label,
        "context_tokens": model.context_tokens if "context_tokens" in stated else None,
        **{n: answer_of(getattr(model, n) if n in stated else None) for n in _FACTS},
        **{n: getattr(model, n) if is_own else None for n in _PRICES},
        "price_key": model.price_key,
        "is_embedder": model.is_embedder,
        "is_enabled": model.is_enabled,
    }


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def raise_model(_request: HttpRequest, provider_id: UUID, model_id: UUID) -> HttpResponse:
    """Put a model before the one above it."""
    with missing_is_404():
        view = providers.get_provider(actor=scope.current_actor(), provider_id=provider_id)
        ids = [model.id for model in view.models]
        if model_id not in ids:
            raise Http404
        place = ids.index(model_id)
        if place:
            ids[place - 1], ids[place] = ids[place], ids[place - 1]
            models.order_models(actor=scope.current_actor(), provider_id=provider_id, model_ids=ids)
    return redirect("provider_page", provider_id)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def remove(request: HttpRequest, provider_id: UUID, model_id: UUID) -> HttpResponse:
    """Take a model away."""
    with missing_is_404():
        models.delete_model(actor=scope.current_actor(), provider_id=provider_id, model_id=model_id)
    messages.success(request, _("The model is removed."))
    return redirect("provider_page", provider_id)
