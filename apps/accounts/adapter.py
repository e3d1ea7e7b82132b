"""How allauth's flows behave here (`ACCOUNT_ADAPTER`).

On the platform's host anybody with an account logs in; on a workspace's host only its members do.
Redirects and the links in mails stay on the host.
"""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from apps.accounts import selectors, services
from apps.accounts.errors import NotAMember
from apps.accounts.models.users import User, normalised_email
from apps.audit import services as audit
from apps.core import ratelimit, scope
from apps.core.scope import Actor
from apps.tenants import selectors as tenants

BACKEND = "apps.accounts.backends.MembershipBackend"
WORKSPACES_PATH = "/workspaces/"  # the list of one's workspaces, on every host
SIGN_UP_PATH = "/signup/"  # on the platform's host

# Counted once for all hosts: nobody gets fresh guesses at every workspace's door, where allauth's
# own limits begin anew.
_LOGINS = ratelimit.Limit(name="logins", burst=30, period_s=300.0, strict=True)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # untyped library
    """Karen's answers to allauth's questions."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "not_a_member": _("You are not a member of this workspace."),
    }

    @override
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed: signing up always makes a workspace, which is the page `/signup/`'s business."""
        return False

    # -- logging in

    @override
    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt.

        Raises:
            ValidationError: There were too many.
        """
        super().pre_authenticate(request, **credentials)
        with scope.tenant_scope(None):
            decision = ratelimit.take(_LOGINS, normalised_email(credentials.get("email")))
        if not decision.allowed:
            raise self.validation_error("too_many_login_attempts")

    @override
    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Check address and password.

        Raises:
            ValidationError: Too many attempts, or the right credentials of somebody who is not a
                member here. Only who knows the password learns that the account exists.
        """
        user: User | None = super().authenticate(request, **credentials)
        if user is not None and user.is_active and not _may_enter(user):
            _record_stranger(user)
            raise self.validation_error("not_a_member")
        return user

    @override
    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Stop closed accounts and, in a workspace, everybody who is not a member."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is None and not _may_enter(user):
            _record_stranger(user)
            self.add_message(request, messages.ERROR, message=NotAMember().message())
            response = HttpResponseRedirect(reverse("account_login"))
        return response

    @override
    def login(self, request: HttpRequest, user: User) -> None:
        """Begin the session with the backend that asks for the membership on every request."""
        user.backend = BACKEND  # read by django.contrib.auth.login
        super().login(request, user)

    @override
    def set_password(self, user: User, password: str) -> None:
        """Set a new password and end the person's other sessions."""
        super().set_password(user, password)
        request = self.request
        keep = request.session.session_key if request and request.user.is_authenticated else None
        services.end_sessions(user_id=user.pk, keep=keep)
        with scope.actor_scope(Actor(id=user.pk, label=user.label)):
            audit.record_best_effort(
                action="account.password_changed",
                target_type="user",
                target_id=user.pk,
                target_label=user.email,
            )

    # -- addresses

    @override
    def is_safe_url(self, url: str) -> bool:
        """Accept addresses on this very host only; another workspace is a stranger."""
        request = self.request
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )

    @override
    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Lead to the list of workspaces, or into the workspace one logged in to."""
        return WORKSPACES_PATH if scope.current() is None else "/"

    @override
    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """Lead a new person, once confirmed, to their workspace in the list."""
        return self.get_login_redirect_url(request)

    # -- mails. allauth builds links from the Host header; its name is ours, its port is whatever
    #    the sender wrote. Ours come from the settings.

    @override
    def format_email_subject(self, subject: str) -> str:
        """Put the workspace's name in front."""
        tenant = scope.current()
        return f"[{tenant.name if tenant else 'Karen'}] {subject}"

    @override
    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link that lets somebody choose a new password, on this host."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return _link(path.replace("UID-KEY", key))

    @override
    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell the owner of an address that somebody tried to sign up with it."""
        links = {"password_reset_url": _link(reverse("account_reset_password"))}
        self.send_mail("account/email/account_already_exists", email, links)

    @override
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send one mail with links to our own hosts."""
        site = {"name": "Karen", "domain": _link("").partition("://")[2]}
        own = {"signup_url": tenants.platform_url(SIGN_UP_PATH), "current_site": site}
        super().send_mail(template_prefix, email, {**context, **own})


def _link(path: str) -> str:
    tenant = scope.current()
    return tenants.workspace_url(tenant, path) if tenant else tenants.platform_url(path)


def _may_enter(user: User) -> bool:
    tenant = scope.current()
    return tenant is None or selectors.find_member(user.pk, tenant) is not None


def _record_stranger(user: User) -> None:
    audit.record_best_effort(
        action="account.login_failed",
        target_type="user",
        target_id=user.pk,
        target_label=user.email,
        data={"reason": NotAMember.code},
    )
