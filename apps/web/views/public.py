"""Pages of the platform host: landing and sign-up."""

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.signup import prevent_enumeration
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts import selectors as memberships, services as accounts
from apps.accounts.errors import SignUpRefused
from apps.core import ratelimit
from apps.core.errors import KarenError
from apps.web.address import AddressSuggestion, address_for_name, address_for_slug
from apps.web.entry import enter_after_sign_up
from apps.web.forms import SignUpForm
from apps.web.policy import allow_form_targets, workspace_origins

_SIGN_UPS = ratelimit.Limit(
    name="signups", burst=settings.SIGN_UPS_PER_HOUR, period_s=3600.0, strict=True
)


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    """Say what Karen is; people who are signed in go on to their workspaces."""
    if request.user.is_authenticated:
        return redirect("workspaces")
    return render(request, "web/landing.html")


@never_cache
@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Create a person with a workspace, and take them into it."""
    if request.user.is_authenticated:
        return redirect("workspaces")
    form = SignUpForm(request.POST or None)
    if form.is_valid():
        try:
            ratelimit.enforce(_SIGN_UPS, get_adapter().get_client_ip(request))
            signed_up = accounts.sign_up(**form.cleaned_data)
        except SignUpRefused as error:
            if memberships.confirmation_is_mandatory():
                # The same answer as for a new address; the owner of the account gets a mail.
                answer: HttpResponse = prevent_enumeration(
                    request, email=form.cleaned_data["email"]
                )
                return answer
            form.refuse(error)
        except KarenError as error:
            form.refuse(error)
        else:
            return enter_after_sign_up(request, signed_up)
    suggestion = AddressSuggestion(slug=request.POST.get("slug", ""))
    page = render(request, "web/signup.html", {"form": form, "suggestion": suggestion})
    return allow_form_targets(page, workspace_origins())


@never_cache
@require_GET
def suggest_address(request: HttpRequest) -> HttpResponse:
    """Answer htmx while somebody types: the whole field for a name, the verdict for a slug."""
    if "slug" in request.GET:
        suggestion = address_for_slug(request.GET["slug"][:40])
        return render(request, "web/partials/address_state.html", {"suggestion": suggestion})
    suggestion = address_for_name(request.GET.get("organisation", "")[:120])
    return render(request, "web/partials/address.html", {"suggestion": suggestion})
