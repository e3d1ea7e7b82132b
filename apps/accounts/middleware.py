"""HTTP: the session of this host, and who acts."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from typing_extensions import override

from apps.accounts import selectors, services
from apps.accounts.authentication.api_keys import presented_key
from apps.accounts.errors import ApiKeyInvalid
from apps.accounts.models.users import User
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.scope import Actor

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class TenantSessionMiddleware(SessionMiddleware):
    """Django's session middleware; the engine binds sessions to the host.

    The asynchronous path leaves the event loop only when there is something to save.
    """

    @override
    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)  # opens a lazy session, no I/O
        response = await self.get_response(request)  # type: ignore[misc]  # async chain here
        if request.session.modified:
            return await platform_db(self.process_response, request, response)
        return self.process_response(request, response)


class ActorMiddleware:
    """Resolve who acts on this host, for the view (`request.actor`) and for the scope.

    `request.actor` is None for visitors and for users without a membership in this workspace;
    `request.by_api_key` says that it was looked for by a key alone, not by a session.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer `request` in the name of its user."""
        if self._is_async:
            return self._acall(request)
        key = _note_key(request)
        actor = _find_actor(request) if key is None else _key_actor(key)
        with scope.actor_scope(_enter(request, actor)):
            return self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        actor = None
        key = _note_key(request)
        if key is not None:
            actor = await _key_actor_async(key)
        elif _has_session(request):
            actor = await platform_db(_find_actor, request)
            # The user was loaded just now; `request.auser()` need not ask again.
            request._acached_user = request.user  # type: ignore[attr-defined]  # Django's own cache
        with scope.actor_scope(_enter(request, actor)):
            response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]  # async chain here
            return response


def _has_session(request: HttpRequest) -> bool:
    return settings.SESSION_COOKIE_NAME in request.COOKIES


def _find_actor(request: HttpRequest) -> Actor | None:
    if not _has_session(request):
        return None
    user = request.user
    if not isinstance(user, User):
        return None
    tenant = scope.current()
    if tenant is None:
        return selectors.platform_actor(user)
    # A session made by another backend has not been checked against the membership yet.
    return user.remembered_actor(tenant.id) or selectors.actor_for(user.pk, tenant)


def _note_key(request: HttpRequest) -> str | None:
    key = presented_key(request)
    # For views that check CSRF tokens themselves: no page makes a browser send a bearer.
    request.by_api_key = key is not None  # type: ignore[attr-defined]  # documented attribute
    return key


def _key_actor(key: str) -> Actor | None:
    tenant = scope.current()
    try:
        return services.holder_of_key(key, tenant).actor if tenant else None
    except ApiKeyInvalid:
        return None  # the view says so in its own shape


async def _key_actor_async(key: str) -> Actor | None:
    tenant = scope.current()
    try:
        return (await services.holder_of_key_async(key, tenant)).actor if tenant else None
    except ApiKeyInvalid:
        return None


def _enter(request: HttpRequest, actor: Actor | None) -> Actor:
    request.actor = actor  # type: ignore[attr-defined]  # documented attribute
    return actor or scope.ANONYMOUS
