"""Settings, guardrails: what the workspace lets through, its own rules, and a place to try."""

from dataclasses import replace

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.errors import KarenError, NotFound
from apps.providers import selectors, services
from apps.providers.services import ContentRule, GuardrailExplanation, GuardrailSettings
from apps.web.access import needs
from apps.web.guardrail_forms import ContentRuleForm, GuardrailsForm, TryForm

_SHOWN = 20  # decisions


@needs(TENANT_ADMIN)
@never_cache
@require_http_methods(["GET", "POST"])
def guardrails(request: HttpRequest) -> HttpResponse:
    """Show what was chosen; POST changes it, rules apart."""
    chosen = selectors.stored_guardrails(scope.require().id)
    form = GuardrailsForm(request.POST if request.method == "POST" else None, chosen=chosen)
    if form.is_valid():
        try:
            wanted = replace(chosen, **form.cleaned_data)
            services.set_guardrails(actor=scope.current_actor(), wanted=wanted)
        except KarenError as error:
            form.refuse(error)
        else:
            messages.success(request, _("The guardrails are in force within seconds."))
            return redirect("guardrails_page")
    return _page(request, chosen, form=form)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def add_rule(request: HttpRequest) -> HttpResponse:
    """Add one of the workspace's own rules."""
    form = ContentRuleForm(request.POST)
    if form.is_valid():
        try:
            rule = ContentRule(**form.cleaned_data)
            services.add_content_rule(actor=scope.current_actor(), rule=rule)
        except KarenError as error:
            form.refuse(error)
        else:
            messages.success(request, _("The rule is in force within seconds."))
            return redirect("guardrails_page")
    return _page(request, selectors.stored_guardrails(scope.require().id), rule_form=form)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def remove_rule(request: HttpRequest) -> HttpResponse:
    """Remove one of the workspace's own rules."""
    name = request.POST.get("name", "")
    try:
        services.remove_content_rule(actor=scope.current_actor(), name=name)
    except NotFound as error:
        raise Http404 from error
    messages.success(request, _("The rule is gone."))
    return redirect("guardrails_page")


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def try_text(request: HttpRequest) -> HttpResponse:
    """Show what would happen to a text."""
    form = TryForm(request.POST)
    explanation = None
    if form.is_valid():
        explanation = services.explain_guardrails(actor=scope.current_actor(), **form.wanted())
    chosen = selectors.stored_guardrails(scope.require().id)
    return _page(request, chosen, try_form=form, explanation=explanation)


def _page(
    request: HttpRequest,
    chosen: GuardrailSettings,
    *,
    form: GuardrailsForm | None = None,
    rule_form: ContentRuleForm | None = None,
    try_form: TryForm | None = None,
    explanation: GuardrailExplanation | None = None,
) -> HttpResponse:
    context = {
        "form": form or GuardrailsForm(chosen=chosen),
        "rule_form": rule_form or ContentRuleForm(),
        "try_form": try_form or TryForm(),
        "explanation": explanation,
        "rules": chosen.rules,
        "names_missed": selectors.why_no_names(),
        "decisions": selectors.list_guardrail_decisions()[:_SHOWN],
    }
    return render(request, "web/guardrails.html", context)
