"""Settings, prompts: what models are told, its versions, and which of them holds."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.core import scope
from apps.core.errors import KarenError
from apps.providers import selectors
from apps.providers.errors import PromptNotFound
from apps.providers.permissions import EDIT_PROMPTS
from apps.providers.services import experiments, prompts as services
from apps.web.access import needs
from apps.web.forms import PromptForm

_NUMBER_DIGITS = 6


@needs(EDIT_PROMPTS)
@never_cache
@require_GET
def prompts(request: HttpRequest) -> HttpResponse:
    """List every prompt with what holds."""
    actor = scope.current_actor()
    found = selectors.list_prompts(actor=actor, permission=EDIT_PROMPTS)
    return render(request, "web/prompts.html", {"prompts": found})


@needs(EDIT_PROMPTS)
@never_cache
@require_http_methods(["GET", "POST"])
def prompt(request: HttpRequest, name: str) -> HttpResponse:
    """Show one prompt with its versions; POST keeps another wording."""
    actor = scope.current_actor()
    try:
        shown = selectors.get_prompt(actor=actor, permission=EDIT_PROMPTS, name=name)
    except PromptNotFound as error:
        raise Http404 from error
    form = PromptForm(request.POST if request.method == "POST" else None, wording=shown.wording)
    if form.is_valid():
        try:
            made = services.create_prompt_version(
                actor=actor,
                permission=EDIT_PROMPTS,
                name=name,
                draft=form.draft(),
                note=form.cleaned_data["note"],
            )
        except KarenError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Version %(number)d is kept.") % {"number": made.number})
            return redirect("prompt_page", name)
    return render(request, "web/prompt.html", _context(request, name, form))


def _context(request: HttpRequest, name: str, form: PromptForm) -> dict[str, object]:
    actor = scope.current_actor()
    old, new = _number(request, "old"), _number(request, "new")
    difference = None
    if old is not None and new is not None:
        try:
            difference = selectors.prompt_diff(
                actor=actor, permission=EDIT_PROMPTS, name=name, old=old, new=new
            )
        except PromptNotFound as error:
            raise Http404 from error
    return {
        "form": form,
        "prompt": selectors.get_prompt(actor=actor, permission=EDIT_PROMPTS, name=name),
        "versions": selectors.list_prompt_versions(actor=actor, permission=EDIT_PROMPTS, name=name),
        "experiments": experiments.list_experiments(
            actor=actor, permission=EDIT_PROMPTS, name=name
        ),
        "difference": difference,
        "old": old,
        "new": new,
    }


def _number(request: HttpRequest, key: str, *, sent: bool = False) -> int | None:
    text = (request.POST if sent else request.GET).get(key, "")
    usable = text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS
    return int(text) if usable else None


@needs(EDIT_PROMPTS)
@never_cache
@require_POST
def activate(request: HttpRequest, name: str) -> HttpResponse:
    """Have a version hold from now on."""
    number = _number(request, "version", sent=True)
    if number is None:
        raise Http404
    try:
        services.activate_prompt_version(
            actor=scope.current_actor(), permission=EDIT_PROMPTS, name=name, number=number
        )
    except PromptNotFound as error:
        raise Http404 from error
    except KarenError as error:
        messages.error(request, error.message())
    else:
        messages.success(request, _("Version %(number)d holds now.") % {"number": number})
    return redirect("prompt_page", name)


@needs(EDIT_PROMPTS)
@never_cache
@require_POST
def rollback(request: HttpRequest, name: str) -> HttpResponse:
    """Have the version hold again that held before."""
    try:
        services.rollback_prompt(actor=scope.current_actor(), permission=EDIT_PROMPTS, name=name)
    except PromptNotFound as error:
        raise Http404 from error
    except KarenError as error:
        messages.error(request, error.message())
    else:
        messages.success(request, _("The version before holds again."))
    return redirect("prompt_page", name)


@needs(EDIT_PROMPTS)
@never_cache
@require_POST
def stop_experiment(request: HttpRequest, experiment_id: UUID) -> HttpResponse:
    """End an experiment and have one of its versions hold."""
    try:
        ended = experiments.stop_experiment(
            actor=scope.current_actor(),
            permission=EDIT_PROMPTS,
            experiment_id=experiment_id,
            keep=request.POST.get("keep", "a"),
        )
    except KarenError as error:
        raise Http404 from error
    messages.success(request, _("The experiment has ended."))
    return redirect("prompt_page", ended.prompt)
