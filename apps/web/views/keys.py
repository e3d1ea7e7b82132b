"""Settings, API keys: see, make and revoke one's own."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts import selectors, services as accounts
from apps.accounts.errors import ApiKeyNotFound
from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN
from apps.core import scope
from apps.core.errors import KarenError
from apps.tenants import selectors as tenants
from apps.web.access import needs
from apps.web.forms import ApiKeyForm


@needs(CHAT_USER)
@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_variables("made")
def keys(request: HttpRequest) -> HttpResponse:
    """List the person's keys; POST makes one and shows it this once."""
    actor = scope.current_actor()
    form = ApiKeyForm(request.POST if request.method == "POST" else None, actor=actor)
    made = None
    if form.is_valid():
        values = {**form.cleaned_data, "scopes": tuple(form.cleaned_data["scopes"])}
        try:
            made = accounts.create_api_key(actor=actor, **values)
        except KarenError as error:
            form.refuse(error)
        else:
            form = ApiKeyForm(actor=actor)
    context = {
        "manages": actor.may(TENANT_ADMIN),
        "form": form,
        "made": made,
        "keys": [selectors.api_key_view(key) for key in selectors.list_api_keys(actor=actor)],
        "base_url": tenants.workspace_url(scope.require(), "/v1"),
    }
    return render(request, "web/keys.html", context)


@needs(CHAT_USER)
@never_cache
@require_POST
def revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """Revoke one of the person's keys and show the rest."""
    try:
        accounts.revoke_api_key(actor=scope.current_actor(), key_id=key_id)
    except ApiKeyNotFound as error:
        raise Http404 from error
    messages.success(request, _("The key works no more."))
    return redirect("keys_page")
