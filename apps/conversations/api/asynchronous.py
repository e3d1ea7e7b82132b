"""Views that stream or wait for an answer: they stay on the event loop and hold no database.

REST framework's views are synchronous: one that waits for an answer would hold a thread and a
pooled connection for minutes (decisions.md, trap 7).
"""

import json
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from pydantic import BaseModel, ValidationError
from rest_framework.authentication import CSRFCheck

from apps.conversations.api.base import problems_of
from apps.conversations.following import Follower
from apps.conversations.permissions import CHAT
from apps.core import scope
from apps.core.envelope import error_envelope
from apps.core.errors import (
    InvalidInput,
    KarenError,
    MethodNotAllowed,
    NotAuthenticated,
    PayloadTooLarge,
    PermissionDenied,
)
from apps.core.metrics import errors_total
from apps.core.scope import Actor

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]
_Contract = TypeVar("_Contract", bound=BaseModel)
_SAFE = frozenset({"GET", "HEAD"})


def chat_endpoint(method: str, *, same_origin: bool = False) -> Callable[[View], View]:
    """Declare an asynchronous view for people who may chat.

    It gets `follower` besides the arguments of its route; errors leave in the envelope.

    Args:
        method: The only HTTP method it takes.
        same_origin: A browser's `Origin` that equals the host exactly stands for a CSRF token:
            for clients that cannot be taught to send one.
    """

    def declare(view: View) -> View:
        @csrf_exempt  # checked below, for those whom a cookie identifies
        @wraps(view)
        async def guarded(request: HttpRequest, **route: Any) -> HttpResponseBase:
            try:
                if request.method != method:
                    raise MethodNotAllowed
                actor = _admitted(request, same_origin=same_origin)
                follower = Follower(tenant=scope.require(), actor=actor)
                return await view(request, follower=follower, **route)
            except KarenError as error:
                return _refusal(error)

        return guarded

    return declare


def _admitted(request: HttpRequest, *, same_origin: bool) -> Actor:
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        raise NotAuthenticated
    if request.method not in _SAFE and not getattr(request, "by_api_key", False):
        if same_origin and "Origin" in request.headers:
            _demand_own_origin(request)
        else:
            _demand_csrf_token(request)
    if not actor.may(CHAT):
        raise PermissionDenied(CHAT)
    return actor


def _demand_csrf_token(request: HttpRequest) -> None:
    check = CSRFCheck(_nothing)
    check.process_request(request)
    if check.process_view(request, _nothing, (), {}) is not None:
        raise PermissionDenied


def _demand_own_origin(request: HttpRequest) -> None:
    """Refuse pages of another origin, those of sibling workspaces included."""
    own = f"{request.scheme}://{request.get_host()}"
    if request.headers["Origin"].lower() != own.lower():
        raise PermissionDenied


def _nothing(_request: HttpRequest) -> HttpResponseBase:
    return JsonResponse({})


def _refusal(error: KarenError) -> JsonResponse:
    errors_total.labels(error.code, "rest").inc()
    headers = dict(error.headers())
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="workspace"'
    return JsonResponse(error_envelope(error), status=error.status, headers=headers)


def body_as(contract: type[_Contract], request: HttpRequest) -> _Contract:
    """Return the JSON body of a request as a contract.

    Raises:
        InvalidInput: It is not JSON, or does not fit; says where.
        PayloadTooLarge: It is too large to be read.
    """
    try:
        return contract.model_validate(json.loads(request.body or b"{}"))
    except RequestDataTooBig as error:
        raise PayloadTooLarge(limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0) from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise InvalidInput(fields=problems_of(error)) from error
        raise InvalidInput("The body is not valid JSON.") from error
