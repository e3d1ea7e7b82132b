"""The way in: from an ASGI request below `/v1/` to its handler, and back out with any error.

In this order: HTTPS, Host → workspace, API key → actor, permission, rate limit, route. Cookies mean
nothing here, so no page of another origin can act for its visitor. Everything else goes on to
Django.
"""

import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from apps.accounts.errors import ApiKeyInvalid
from apps.accounts.permissions import CHAT_USER
from apps.api.admission import (
    common_headers,
    holder_of,
    request_limit,
    require_secure,
    tenant_of,
)
from apps.api.exchange import ClientGone, Exchange, Receive, Scope, Send
from apps.api.metrics import openai_requests_total
from apps.api.openai import chat, embeddings, listing, responses
from apps.api.openai.caller import Caller
from apps.api.openai.failures import error_document, error_headers, status_of
from apps.core import ratelimit, scope as context
from apps.core.errors import (
    InternalError,
    KarenError,
    MethodNotAllowed,
    NotFound,
    PermissionDenied,
)
from apps.core.logging import get_logger
from apps.core.metrics import errors_total, unhandled_total
from apps.providers import gateway, selectors as providers

logger = get_logger(__name__)

PREFIX = "/v1/"

_EDGE = "openai"

ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]  # each framework has own types
Handler: TypeAlias = Callable[[Exchange, Caller], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address.

    Attributes:
        path: What stands behind `/v1/`; with a final `*` also whatever follows.
        method: The only HTTP method it takes.
        permission: What the key must allow.
        handler: Answers the request.
    """

    path: str
    method: str
    permission: str
    handler: Handler

    def serves(self, rest: str) -> bool:
        """Say whether this is the address of `rest`."""
        if self.path.endswith("*"):
            return rest.startswith(self.path[:-1]) and len(rest) >= len(self.path)
        return rest == self.path


ROUTES = (
    Route(path="chat/completions", method="POST", permission=CHAT_USER, handler=chat.answer_chat),
    Route(path="responses", method="POST", permission=CHAT_USER, handler=responses.answer_response),
    Route(
        path="embeddings", method="POST", permission=CHAT_USER, handler=embeddings.answer_embeddings
    ),
    Route(path="models", method="GET", permission=CHAT_USER, handler=listing.answer_models),
    Route(path="models/*", method="GET", permission=CHAT_USER, handler=listing.answer_model),
)


class OpenAIDoor:
    """Answer `/v1/…`; hand everything else to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._cold = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._cold:
            self._cold = False
            self._warm()
        if not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        offered = exchange.header(b"x-correlation-id")
        with context.correlation_scope(offered) as correlation_id:
            exchange.always_send(_headers(correlation_id))
            await _answered(exchange, scope)

    @staticmethod
    def _warm() -> None:
        # Beside the process's first request, which usually asks for its health: the SDKs behind
        # remote models take half a second to import.
        warm = (gateway.warm_remote,)
        threading.Thread(target=copy_context().run, args=warm, daemon=True).start()


def _headers(correlation_id: str) -> dict[str, str]:
    # The second name is what OpenAI's clients show as the request's id.
    return {**common_headers(correlation_id), "X-Request-ID": correlation_id}


async def _answered(exchange: Exchange, scope: Scope) -> None:
    outcome = "ok"
    try:
        await _admitted(exchange, scope)
    except ClientGone:
        outcome = "gone"
        logger.info("openai.client_gone", path=exchange.path)
    except KarenError as error:
        outcome = error.code
        await _refused(exchange, error)
    except Exception:  # no framework above would answer in this API's shape
        outcome = InternalError.code
        unhandled_total.labels(_EDGE).inc()
        logger.exception("openai.failed", path=exchange.path)
        await _refused(exchange, InternalError())
    finally:
        openai_requests_total.labels(_route_name(exchange), outcome).inc()


def _route_name(exchange: Exchange) -> str:
    rest = exchange.path.removeprefix(PREFIX).rstrip("/")
    return next((route.path for route in ROUTES if route.serves(rest)), "unknown")


async def _refused(exchange: Exchange, error: KarenError) -> None:
    errors_total.labels(error.code, _EDGE).inc()
    document = error_document(error)
    if exchange.started:  # the status is out: what clients raise is an event with an error
        await exchange.finish(b"data: " + msgspec.json.encode(document) + b"\n\n")
        return
    await exchange.answer(document, status=status_of(error), headers=error_headers(error))


async def _admitted(exchange: Exchange, scope: Scope) -> None:
    require_secure(exchange, scope)
    tenant = await tenant_of(exchange.header(b"host"))
    with ExitStack() as entered:
        entered.enter_context(context.tenant_scope(tenant))
        holder = await holder_of(exchange, tenant)
        actor = entered.enter_context(context.actor_scope(holder.actor))
        await providers.prepared()
        route = _route(exchange)
        if not actor.may(route.permission):
            raise PermissionDenied(route.permission)
        if actor.id is None:
            raise ApiKeyInvalid
        await ratelimit.enforce_async(request_limit("openai.requests", holder), actor.id.hex)
        await route.handler(exchange, Caller(actor=actor, tenant=tenant, key_id=holder.key_id))


def _route(exchange: Exchange) -> Route:
    rest = exchange.path.removeprefix(PREFIX).rstrip("/")
    found = [route for route in ROUTES if route.serves(rest)]
    if not found:
        raise NotFound
    for route in found:
        if route.method == exchange.method:
            return route
    raise MethodNotAllowed
