"""How much may be asked at once: installation, plan, person, workspace."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import fields
from uuid import UUID

import pytest
from django.db import connections
from django.test import Client

from apps.conversations.contracts import TurnAccepted
from apps.conversations.errors import MessageTooLong, TooManyTurns
from apps.conversations.models.messages import Message
from apps.core import scope
from apps.core.errors import RateLimited
from apps.core.scope import Actor, TenantRef
from apps.tenants import selectors as tenants, services as tenant_services
from apps.tenants.models import Plan
from karen_site.env import Environment
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]
PutOn = Callable[..., None]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
def put_acme_on(committed: World) -> Iterator[PutOn]:
    def put(**limits: int) -> None:
        plan = Plan.objects.create(name="test plan", limits=limits)
        with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
            tenant_services.put_on_plan(tenant_id=committed.acme.id, plan_id=plan.pk)

    yield put
    with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
        tenant_services.put_on_plan(tenant_id=committed.acme.id, plan_id=None)
    Plan.objects.all().delete()
    tenants.forget_limits()


def test_a_person_sends_ten_messages_a_minute_by_default(
    committed: World, ann: Actor, put_acme_on: PutOn
) -> None:
    defaults = {field.name: field.default for field in fields(Environment)}
    put_acme_on(messages_per_minute=defaults["chat_messages_per_minute"])

    with pytest.raises(RateLimited) as refused:
        for _number in range(11):
            send(actor=ann, tenant=committed.acme)

    assert 0 < refused.value.retry_after_s <= 60
    assert refused.value.headers()["Retry-After"]


def test_a_plan_raises_and_lowers_the_limits_of_its_workspaces_only(
    committed: World, people: People, ann: Actor, actor_in: ActorIn, put_acme_on: PutOn
) -> None:
    put_acme_on(messages_per_minute=2, message_characters=20)

    with pytest.raises(MessageTooLong) as long:
        send(actor=ann, tenant=committed.acme, text="x" * 21)
    assert (long.value.limit, long.value.length) == (20, 21)
    send(actor=ann, tenant=committed.acme)
    with pytest.raises(RateLimited):
        send(actor=ann, tenant=committed.acme)
    gus = actor_in(people.gus, committed.globex)
    send(actor=gus, tenant=committed.globex, text="x" * 21)


def test_answers_of_one_person_at_the_same_time_are_bounded(
    committed: World, people: People, ann: Actor, actor_in: ActorIn, put_acme_on: PutOn
) -> None:
    put_acme_on(turns_per_user=2, messages_per_minute=100)
    send(actor=ann, tenant=committed.acme)
    send(actor=ann, tenant=committed.acme)

    with pytest.raises(TooManyTurns) as refused:
        send(actor=ann, tenant=committed.acme)

    assert (refused.value.limit, refused.value.whose) == (2, "person")
    assert refused.value.headers() == {"Retry-After": "5"}
    bea = actor_in(people.bea, committed.acme)
    send(actor=bea, tenant=committed.acme)


def test_answers_of_one_workspace_at_the_same_time_are_bounded(
    committed: World, people: People, ann: Actor, actor_in: ActorIn, put_acme_on: PutOn
) -> None:
    put_acme_on(turns_per_tenant=1)
    send(actor=ann, tenant=committed.acme)

    with pytest.raises(TooManyTurns) as refused:
        send(actor=actor_in(people.bea, committed.acme), tenant=committed.acme)
    assert refused.value.whose == "workspace"
    send(actor=actor_in(people.bea, committed.globex), tenant=committed.globex)


def test_a_refusal_over_rest_says_when_to_come_back(
    committed: World, people: People, browser_of: BrowserOf, put_acme_on: PutOn
) -> None:
    put_acme_on(turns_per_user=1)
    ann = browser_of(people.ann, committed.acme)
    body = {"text": "hello", "model": "echo/plain"}
    for number, status in enumerate((202, 429)):
        answer = ann.post(
            "/api/v1/turns",
            {**body, "client_message_id": f"m{number}"},
            content_type="application/json",
        )
        assert answer.status_code == status

    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["error"]["type"] == "too_many_turns"


def test_fifty_parallel_repeats_of_one_message_are_one_row_and_fifty_equal_answers(
    committed: World, ann: Actor, put_acme_on: PutOn
) -> None:
    put_acme_on(messages_per_minute=100)

    def once(_number: int) -> TurnAccepted:
        try:
            return send(actor=ann, tenant=committed.acme, text="once", client_message_id="same")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(10) as pool:
        contexts = [copy_context() for _number in range(50)]
        answers = list(pool.map(lambda c: c.run(once, 0), contexts))

    assert sum(answer.created for answer in answers) == 1
    assert len({(a.conversation_id, a.message_id, a.turn_ids, a.title) for a in answers}) == 1
    with scope.tenant_scope(committed.acme):
        assert Message.objects.filter(role="user").count() == 1
