"""What a REST view demands, and what those get who do not have it."""

from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from apps.accounts import permissions
from apps.accounts.middleware import ActorMiddleware
from apps.accounts.models.users import User
from apps.core import scope
from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People

pytestmark = pytest.mark.django_db


BY_METHOD = {"GET": permissions.CHAT_USER, "POST": permissions.TENANT_MEMBERS}


class ChatView(APIView):
    permission: Any = permissions.CHAT_USER

    def get(self, _request: Request) -> Response:
        return Response({"ok": True})

    def post(self, _request: Request) -> Response:
        return Response({"ok": True})


class SplitView(ChatView):
    permission = BY_METHOD


class UndeclaredView(ChatView):
    permission: Any = None


def ask(
    view: type[APIView],
    user_id: UUID | None,
    tenant: TenantRef,
    *,
    method: str = "get",
    csrf: bool = False,
) -> int:
    """Return the status a view answers with to a person, behind the actor middleware."""
    factory = APIRequestFactory(enforce_csrf_checks=csrf)
    request = getattr(factory, method)("/", headers={"host": f"{tenant.slug}.localhost"})
    request.COOKIES[settings.SESSION_COOKIE_NAME] = "any"
    request.user = User.objects.get(pk=user_id) if user_id else AnonymousUser()
    with scope.tenant_scope(tenant):
        answer: Any = ActorMiddleware(view.as_view())(request)
        return int(answer.status_code)


def test_a_member_with_the_permission_gets_through(world: World, people: People) -> None:
    assert ask(ChatView, people.bea, world.acme) == 200


def test_a_visitor_is_asked_to_sign_in(world: World) -> None:
    assert ask(ChatView, None, world.acme) == 401


def test_a_user_of_another_workspace_is_a_visitor(world: World, people: People) -> None:
    assert ask(ChatView, people.ann, world.globex) == 401


def test_a_member_without_the_permission_is_refused(world: World, people: People) -> None:
    assert ask(ChatView, people.eve, world.acme) == 403


def test_each_method_may_demand_its_own(world: World, people: People) -> None:
    assert ask(SplitView, people.bea, world.acme) == 200
    assert ask(SplitView, people.bea, world.acme, method="options") == 200
    assert ask(SplitView, people.bea, world.acme, method="post") == 403
    assert ask(SplitView, people.ann, world.acme, method="post") == 200


def test_a_view_that_declares_nothing_serves_nobody(world: World, people: People) -> None:
    assert ask(UndeclaredView, people.ann, world.acme) == 500


def test_a_method_that_declares_nothing_serves_nobody(world: World, people: People) -> None:
    assert ask(SplitView, people.ann, world.acme, method="delete") == 500


def test_writing_needs_the_csrf_token(world: World, people: People) -> None:
    assert ask(ChatView, people.bea, world.acme, method="post", csrf=True) == 403
    assert ask(ChatView, people.bea, world.acme, method="get", csrf=True) == 200
