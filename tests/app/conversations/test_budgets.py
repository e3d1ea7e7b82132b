"""How many SQL statements each request needs, sessions and memberships included."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.conversations import orchestrator
from apps.conversations.models.conversations import Conversation
from apps.core import scope
from apps.core.scope import Actor, TenantRef
from tests.app.memory.remembering import as_person, told
from tests.factories import send
from tests.fixtures.budgets import Budget
from tests.fixtures.database import World
from tests.fixtures.people import People


@pytest.fixture
def answered(
    committed: World, people: People, actor_in: Callable[[UUID, TenantRef], Actor]
) -> tuple[UUID, UUID]:
    """A conversation with an answer: (conversation id, turn id)."""
    ann = actor_in(people.ann, committed.acme)
    accepted = send(actor=ann, tenant=committed.acme, text="hello")
    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=accepted.turn_id)
    return accepted.conversation_id, accepted.turn_id


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/me",
        "/api/v1/models",
        "/api/v1/conversations",
        "/api/v1/conversations/{conversation}",
        "/api/v1/conversations/{conversation}/messages",
        "/api/v1/turns/{turn}",
        "/api/v1/conversations?archived=false&tag=a&q=b",
        "/api/v1/conversations/{conversation}/shares",
        "/api/v1/conversations/{conversation}/participants",
        "/api/v1/folders",
        "/api/v1/members",
        "/api/v1/personas",
        "/api/v1/commands",
    ],
)
def test_reading(
    committed: World,
    people: People,
    browser_of: Callable[[UUID, TenantRef | None], Client],
    answered: tuple[UUID, UUID],
    budget: Budget,
    path: str,
) -> None:
    client = browser_of(people.ann, committed.acme)
    conversation, turn = answered

    with budget(f"GET {path}"):
        answer = client.get(path.format(conversation=conversation, turn=turn))

    assert answer.status_code == 200


def test_sending(
    committed: World,
    people: People,
    browser_of: Callable[[UUID, TenantRef | None], Client],
    answered: tuple[UUID, UUID],
    budget: Budget,
) -> None:
    client = browser_of(people.ann, committed.acme)
    conversation, _turn = answered

    with budget("POST /api/v1/conversations/{conversation}/messages"):
        answer = client.post(
            f"/api/v1/conversations/{conversation}/messages",
            {"text": "again", "client_message_id": "m2", "model": "echo/plain"},
            content_type="application/json",
        )

    assert answer.status_code == 202


def test_answering_without_tools(
    committed: World,
    people: People,
    actor_in: Callable[[UUID, TenantRef], Actor],
    answered: tuple[UUID, UUID],
    budget: Budget,
) -> None:
    ann = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme):
        # What is recalled depends on how fast the embedding model answers: counted without it.
        Conversation.objects.filter(pk=answered[0]).update(memory_enabled=False)
    turn = send(actor=ann, tenant=committed.acme, conversation_id=answered[0])

    with scope.tenant_scope(committed.acme), budget("run_turn"):
        orchestrator.run_turn(turn_id=turn.turn_id)


@pytest.mark.parametrize("remembers", [False, True], ids=["nothing", "everything fits"])
def test_answering_with_memory(
    committed: World,
    people: People,
    actor_in: Callable[[UUID, TenantRef], Actor],
    answered: tuple[UUID, UUID],
    budget: Budget,
    remembers: bool,
) -> None:
    """While everything fits no vector is waited for, so that statements can be counted."""
    ann = actor_in(people.ann, committed.acme)
    if remembers:
        with as_person(ann, committed.acme):
            told(ann, "The ship sails at nine")
    turn = send(actor=ann, tenant=committed.acme, conversation_id=answered[0])

    what = "everything fits" if remembers else "nothing remembered"
    with scope.tenant_scope(committed.acme), budget(f"run_turn, {what}"):
        orchestrator.run_turn(turn_id=turn.turn_id)
