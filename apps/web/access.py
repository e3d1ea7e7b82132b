"""Who may see a page."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.core import scope

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def needs(permission: str) -> Callable[[View[P]], View[P]]:
    """Show a page only to members whose role holds `permission`.

    Strangers are sent to log in; people without the permission are told so, with 403.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not scope.current_actor().may(permission):
                return render(request, "web/no_access.html", status=403)
            return view(request, *args, **kwargs)

        return login_required(guarded)

    return decorate


def person_id(request: HttpRequest) -> UUID:
    """Return the id of who is signed in; only for views behind `login_required`."""
    user_id = request.user.pk
    assert isinstance(user_id, UUID)
    return user_id
