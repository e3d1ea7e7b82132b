"""REST: the browser's session, with CSRF."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from typing_extensions import override

from apps.accounts.authentication.api_keys import presented_key
from apps.accounts.models.users import User


class WorkspaceSession(SessionAuthentication):
    """Accept the session that the middleware resolved to a member of this workspace."""

    @override
    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, None] | None:
        """Return the member, or None for a visitor.

        Raises:
            PermissionDenied: The CSRF token is missing or wrong.
        """
        if presented_key(request._request) is not None:
            return None  # the actor is the key's owner; nobody signed in
        actor = getattr(request._request, "actor", None)
        user = getattr(request._request, "user", None)
        if actor is None or not isinstance(user, User):
            return None
        self.enforce_csrf(request)
        return user, None

    @override
    def authenticate_header(self, request: Request) -> str:
        """Name a scheme, so that visitors get 401 rather than 403."""
        return "Session"
