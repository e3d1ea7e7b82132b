"""API keys in the `Authorization` header: for the middleware, REST, plain views and sockets."""

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from typing_extensions import override

from apps.accounts.domain.key_format import bearer_of
from apps.accounts.errors import ApiKeyInvalid
from apps.accounts.models.users import User

CHALLENGE = 'Bearer realm="workspace"'

_API = "/api/"  # pages are for browsers, and a key must not open what a person signs in for


def presented_key(request: HttpRequest) -> str | None:
    """Return the API key a request presents, or None when it comes with a session or nothing.

    Whoever sends a bearer is known by it alone: an invalid one is refused, never replaced by a
    session that happens to be there.
    """
    if not request.path.startswith(_API):
        return None
    return bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))


class WorkspaceApiKey(BaseAuthentication):
    """Accept the API key that the middleware resolved to a member of this workspace.

    No CSRF token is asked for: browsers never send this header by themselves.
    """

    @override
    def authenticate(self, request: Request) -> tuple[User, str] | None:
        """Return the key's owner, or None when no key was presented.

        Raises:
            ApiKeyInvalid: It opens nothing here.
        """
        if presented_key(request._request) is None:
            return None
        actor = getattr(request._request, "actor", None)
        if actor is None:
            raise ApiKeyInvalid
        # Permissions come from `request.actor`; REST only wants to know that somebody is there.
        return User(pk=actor.id, name=actor.label), "api_key"

    @override
    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that strangers get 401 rather than 403."""
        return CHALLENGE
