"""REST: what a view demands."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from typing_extensions import override

from apps.core.errors import NotAuthenticated, PermissionDenied, ProgrammingFault

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it loads this module through the settings

    from apps.core.scope import Actor

if TYPE_CHECKING:
    from rest_framework.views import APIView  # settings load this module while views are loading


class PermissionUndeclared(ProgrammingFault):
    """A view says nothing about who may use it, so nobody may."""

    def __init__(self, view: "APIView", method: str) -> None:
        super().__init__(f"{type(view).__qualname__} declares no permission for {method}")


class HasWorkspacePermission(BasePermission):
    """Demand the code in `view.permission`: a string, or a mapping from HTTP method to string."""

    @override
    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Let the request through.

        Raises:
            NotAuthenticated: Nobody is signed in here.
            PermissionDenied: The member lacks the permission; the error names it.
            PermissionUndeclared: The view forgot to say what it demands.
        """
        wanted = self.wanted(request.method or "", view)
        actor: Actor | None = getattr(request._request, "actor", None)
        if actor is None or not request.user.is_authenticated:
            raise NotAuthenticated
        if not actor.may(wanted):
            raise PermissionDenied(wanted)
        return True

    @staticmethod
    def wanted(method: str, view: "APIView") -> str:
        """Return the code `view` demands for `method`; HEAD and OPTIONS as for GET.

        Raises:
            PermissionUndeclared: It names none.
        """
        declared = getattr(view, "permission", None)
        if isinstance(declared, dict):
            fallback = declared.get("GET") if method in {"HEAD", "OPTIONS"} else None
            declared = declared.get(method, fallback)
        if not isinstance(declared, str) or not declared:
            raise PermissionUndeclared(view, method)
        return declared
