"""The workspaces of one person: list, open, create, enter."""

from uuid import UUID

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import selectors as memberships, services as accounts
from apps.accounts.errors import EntryTokenInvalid
from apps.core import scope
from apps.core.errors import KarenError
from apps.tenants import selectors as tenants
from apps.web.access import person_id
from apps.web.address import AddressSuggestion
from apps.web.entry import entry_address
from apps.web.forms import WorkspaceForm
from apps.web.policy import allow_form_targets, workspace_origins

BACKEND = "apps.accounts.backends.MembershipBackend"


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def workspaces(request: HttpRequest) -> HttpResponse:
    """List the person's workspaces; POST creates another and enters it."""
    form = WorkspaceForm(request.POST or None)
    if form.is_valid():
        try:
            tenant = accounts.create_workspace(user_id=person_id(request), **form.cleaned_data)
        except KarenError as error:
            form.refuse(error)
        else:
            return redirect(entry_address(user_id=person_id(request), tenant=tenant))
    mine = memberships.list_workspaces(person_id(request))
    context = {
        "form": form,
        "suggestion": AddressSuggestion(slug=request.POST.get("slug", "")),
        "workspaces": mine,
    }
    page = render(request, "web/workspaces.html", context)
    return allow_form_targets(page, workspace_origins(each.url for each in mine))


@login_required
@never_cache
@require_POST
def open_workspace(request: HttpRequest, tenant_id: UUID) -> HttpResponse:
    """Go into one of the person's workspaces, on its own host."""
    mine = memberships.list_workspaces(person_id(request))
    chosen = next((each.tenant for each in mine if each.tenant.id == tenant_id), None)
    if chosen is None:
        raise Http404
    return redirect(entry_address(user_id=person_id(request), tenant=chosen))


@never_cache
@require_GET
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Redeem an entry token: sign its person in here and show the chat."""
    try:
        user_id = accounts.redeem_entry_token(token)
    except EntryTokenInvalid as error:
        context = {"workspaces_url": tenants.platform_url("/workspaces/")}
        return render(request, "web/entry_failed.html", context, status=error.status)
    person = memberships.find_member(user_id, scope.require())
    assert person is not None  # the ticket is good for members only
    login(request, person, backend=BACKEND)
    return redirect("chat")
