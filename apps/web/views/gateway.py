"""Settings, gateway: the default model, limits, and the rules of routing."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.errors import KarenError
from apps.providers import selectors
from apps.providers.errors import OfferedByPlatform, RoutingPolicyNotFound
from apps.providers.services import (
    GatewayFields,
    PolicyFields,
    PolicyView,
    gateway_settings,
    routing_policies,
)
from apps.web.access import needs
from apps.web.provider_forms import GatewayForm, PolicyForm

_GONE = (RoutingPolicyNotFound, OfferedByPlatform)


@needs(TENANT_ADMIN)
@never_cache
@require_http_methods(["GET", "POST"])
def gateway_page(request: HttpRequest) -> HttpResponse:
    """Show the gateway's settings and the rules; POST changes the settings."""
    actor = scope.current_actor()
    known = gateway_settings.get_gateway_settings(actor=actor)
    listed = {model.id: model.id for model in selectors.list_models() if not model.scripted}
    if known.default_model:
        listed.setdefault(known.default_model, known.default_model)
    initial = {name: getattr(known, name) for name in GatewayFields.model_fields}
    form = GatewayForm(request.POST or None, initial=initial, models=listed)
    if form.is_valid():
        try:
            gateway_settings.change_gateway_settings(
                actor=actor, fields=GatewayFields.model_validate(form.cleaned_data)
            )
        except KarenError as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("gateway_page")
    policies = routing_policies.list_routing_policies(actor=actor)
    context = {"settings": known, "form": form, "policies": policies, "place": "gateway"}
    return render(request, "web/providers/gateway.html", context)


@needs(TENANT_ADMIN)
@never_cache
@require_http_methods(["GET", "POST"])
def policy_page(request: HttpRequest, policy_id: UUID | None = None) -> HttpResponse:
    """Show a rule, or an empty form; POST keeps it.

    Raises:
        Http404: It is not this workspace's.
    """
    actor = scope.current_actor()
    try:
        view = None
        if policy_id is not None:
            view = routing_policies.get_routing_policy(actor=actor, policy_id=policy_id)
            if not view.is_editable:
                raise OfferedByPlatform
        form = PolicyForm(request.POST or None, initial=_initial(view))
        if form.is_valid() and _keep(form, policy_id):
            messages.success(request, _("Saved."))
            return redirect("gateway_page")
    except _GONE as error:
        raise Http404 from error
    context = {"policy": view, "form": form, "place": "gateway"}
    return render(request, "web/providers/policy.html", context)


def _initial(view: PolicyView | None) -> dict[str, object]:
    if view is None:
        return {"position": 100, "is_enabled": True}
    parts = {name: getattr(view, name) for name in PolicyForm.PARTS}
    texts = {name: json.dumps(part, indent=2) for name, part in parts.items() if part}
    plain = {"name": view.name, "position": view.position, "is_enabled": view.is_enabled}
    return {**plain, **texts}


def _keep(form: PolicyForm, policy_id: UUID | None) -> bool:
    actor, values = scope.current_actor(), dict(form.cleaned_data)
    try:
        texts = {name: values.pop(name) for name in PolicyForm.PARTS}
        parts = routing_policies.parse_parts(texts)
        fields = PolicyFields.model_validate({**values, **parts})
        if policy_id is None:
            routing_policies.create_routing_policy(actor=actor, fields=fields)
        else:
            routing_policies.change_routing_policy(actor=actor, policy_id=policy_id, fields=fields)
    except _GONE:
        raise
    except KarenError as error:
        form.refuse(error)
        return False
    return True


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def policy_delete(request: HttpRequest, policy_id: UUID) -> HttpResponse:
    """Delete a rule.

    Raises:
        Http404: It is not this workspace's.
    """
    try:
        routing_policies.delete_routing_policy(actor=scope.current_actor(), policy_id=policy_id)
    except _GONE as error:
        raise Http404 from error
    messages.success(request, _("The rule is deleted."))
    return redirect("gateway_page")
