"""The way from one host into a workspace on another."""

from uuid import UUID

from allauth.account.utils import perform_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from apps.accounts import selectors as memberships, services as accounts
from apps.accounts.contracts import SignedUp
from apps.accounts.errors import EmailUnconfirmed
from apps.core.scope import TenantRef
from apps.tenants import selectors as tenants


def entry_address(*, user_id: UUID, tenant: TenantRef) -> str:
    """Return an address that signs this person in at the workspace: once, within a minute.

    Host names do not share cookies, on purpose. The token is the only thing that crosses.

    Raises:
        NotAMember: They do not belong to the workspace.
        EmailUnconfirmed: They must confirm their address first.
    """
    token = accounts.issue_entry_token(user_id=user_id, tenant=tenant)
    return tenants.workspace_url(tenant, f"/enter/{token}/")


def enter_after_sign_up(request: HttpRequest, signed_up: SignedUp) -> HttpResponse:
    """Take a new person into their workspace, by way of the e-mail code where it is demanded."""
    try:
        return redirect(entry_address(user_id=signed_up.user_id, tenant=signed_up.tenant))
    except EmailUnconfirmed:
        # allauth sends the code, asks for it, and then goes on to the list of workspaces.
        person = memberships.find_member(signed_up.user_id, signed_up.tenant)
        answer: HttpResponse = perform_login(
            request, person, redirect_url=reverse("workspaces"), signup=True
        )
        return answer
