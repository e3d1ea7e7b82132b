"""A message is stored once, answered once, and refused with a reason."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections

from apps.conversations import selectors, services
from apps.conversations.contracts import TurnAccepted
from apps.conversations.errors import (
    ConversationNotFound,
    MessageEmpty,
    MessageTooLong,
    TurnInProgress,
    TurnNotFound,
)
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.core import scope
from apps.core.errors import PermissionDenied
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import OutboxEntry
from apps.providers.errors import ModelNotFound
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


def test_a_first_message_starts_a_conversation_with_a_title(committed: World, ann: Actor) -> None:
    accepted = send(actor=ann, tenant=committed.acme, text="What is a capsule?\nTell me.")

    with scope.tenant_scope(committed.acme):
        conversation = Conversation.objects.get()
        assert (conversation.pk, conversation.title) == (
            accepted.conversation_id,
            "What is a capsule?",
        )
        question, answer = Message.objects.order_by("id")
        assert (question.role, answer.role, answer.status) == ("user", "assistant", "streaming")
        assert answer.parent_id == question.pk
        assert Turn.objects.get().state == "queued"


def test_a_second_send_with_the_same_client_id_returns_the_first_turn(
    committed: World, ann: Actor
) -> None:
    first = send(actor=ann, tenant=committed.acme, client_message_id="m1")
    again = send(actor=ann, tenant=committed.acme, client_message_id="m1")
    inside = send(
        actor=ann,
        tenant=committed.acme,
        conversation_id=first.conversation_id,
        client_message_id="m1",
    )

    assert (again.turn_id, inside.turn_id) == (first.turn_id, first.turn_id)
    assert (first.created, again.created, inside.created) == (True, False, False)
    with scope.tenant_scope(committed.acme):
        assert Message.objects.count() == 2


def test_the_same_message_sent_at_the_same_moment_is_stored_once(
    committed: World, ann: Actor
) -> None:
    def attempt() -> TurnAccepted:
        try:
            return send(actor=ann, tenant=committed.acme, client_message_id="twin")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(copy_context().run, attempt) for _ in range(8)]
        accepted = [future.result() for future in futures]

    assert len({a.turn_id for a in accepted}) == 1
    assert sum(a.created for a in accepted) == 1
    with scope.tenant_scope(committed.acme):
        assert (Conversation.objects.count(), Turn.objects.count()) == (1, 1)


def test_a_second_message_waits_for_the_answer(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme)

    with pytest.raises(TurnInProgress) as refused:
        send(actor=ann, tenant=committed.acme, conversation_id=first.conversation_id)

    assert refused.value.details() == {"turn_id": str(first.turn_id)}


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_message_is_refused(committed: World, ann: Actor, text: str) -> None:
    with pytest.raises(MessageEmpty):
        send(actor=ann, tenant=committed.acme, text=text)


def test_a_message_may_have_exactly_the_limit(committed: World, ann: Actor) -> None:
    limit = settings.CHAT_MESSAGE_MAX_CHARACTERS
    send(actor=ann, tenant=committed.acme, text="x" * limit)

    with pytest.raises(MessageTooLong) as refused:
        send(actor=ann, tenant=committed.acme, text="x" * (limit + 1))

    assert refused.value.details() == {"limit": limit, "length": limit + 1}


def test_an_unknown_model_is_refused_and_nothing_is_stored(committed: World, ann: Actor) -> None:
    with pytest.raises(ModelNotFound):
        send(actor=ann, tenant=committed.acme, model="nobody/knows")

    with scope.tenant_scope(committed.acme):
        assert not Conversation.objects.exists()
    assert not OutboxEntry.objects.exists()


def test_a_guest_may_not_chat(committed: World, people: People, actor_in: ActorIn) -> None:
    eve = actor_in(people.eve, committed.acme)

    with pytest.raises(PermissionDenied):
        send(actor=eve, tenant=committed.acme)


def test_a_missing_and_a_foreign_conversation_look_the_same(
    committed: World, people: People, actor_in: ActorIn, ann: Actor
) -> None:
    accepted = send(actor=ann, tenant=committed.acme)
    bea = actor_in(people.bea, committed.acme)

    for conversation_id in (accepted.conversation_id, new_id()):
        with pytest.raises(ConversationNotFound):
            send(actor=bea, tenant=committed.acme, conversation_id=conversation_id)
        with scope.tenant_scope(committed.acme), pytest.raises(ConversationNotFound):
            services.delete_conversation(
                actor=bea, conversation_id=conversation_id, permission=CHAT
            )
    with scope.tenant_scope(committed.acme), pytest.raises(TurnNotFound):
        selectors.access_turn(actor=bea, turn_id=accepted.turn_id, permission=CHAT)
