"""A message that arrives while an answer is being written waits, steers, or is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections

from apps.conversations import orchestrator, services
from apps.conversations.contracts import ClaimedTurn, Delivery, TurnOutcome, TurnState
from apps.conversations.errors import QueueFull, TurnInProgress
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.services import attempts
from apps.conversations.stream import cancel_key
from apps.core import scope
from apps.core.clock import now
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import Lease, OutboxEntry
from apps.jobs.reaper import reap_leases
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


def test_a_queued_message_waits_for_the_answer_before_it(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme, text="first")
    second = send(
        actor=ann,
        tenant=committed.acme,
        text="second",
        conversation_id=first.conversation_id,
        delivery=Delivery.QUEUE,
    )

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=second.turn_id)
        waiting = Turn.objects.get(pk=second.turn_id)
        assert (waiting.state, waiting.blocked_by_id) == ("queued", first.turn_id)

        orchestrator.run_turn(turn_id=first.turn_id)
        orchestrator.run_turn(turn_id=second.turn_id)

        ended = Turn.objects.order_by("id")
        assert [turn.state for turn in ended] == ["completed", "completed"]
        assert Message.objects.get(pk=second.message_id).parent_id == ended[0].answer_id


def test_the_end_of_an_answer_enqueues_what_waited_for_it(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme)
    second = send(
        actor=ann,
        tenant=committed.acme,
        conversation_id=first.conversation_id,
        delivery=Delivery.QUEUE,
    )

    with scope.tenant_scope(committed.acme):
        OutboxEntry.objects.all().delete()
        with scope.actor_scope(ann):
            services.cancel_turn(actor=ann, turn_id=first.turn_id, permission=CHAT)
        assert Turn.objects.get(pk=second.turn_id).blocked_by_id is None
        orchestrator.run_turn(turn_id=second.turn_id)
        assert Turn.objects.get(pk=second.turn_id).state == "completed"


def test_a_lost_release_is_made_good_by_the_reaper(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme)
    second = send(
        actor=ann,
        tenant=committed.acme,
        conversation_id=first.conversation_id,
        delivery=Delivery.QUEUE,
    )
    with scope.tenant_scope(committed.acme):
        # What no service leaves behind: the first ended and released nothing.
        Turn.objects.filter(pk=first.turn_id).update(state="completed")
        Lease.objects.filter(key=second.turn_id).update(until=now() - timedelta(seconds=1))

        reap_leases()

        assert Turn.objects.get(pk=second.turn_id).blocked_by_id is None


def test_a_steering_message_stops_the_answer_and_goes_next(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme)
    with scope.tenant_scope(committed.acme):
        claimed = attempts.claim_turn(turn_id=first.turn_id, owner="w", lease_ttl_s=9)
        assert claimed is not None

    second = send(
        actor=ann,
        tenant=committed.acme,
        text="rather this",
        conversation_id=first.conversation_id,
        delivery=Delivery.STEER,
    )

    with scope.tenant_scope(committed.acme):
        assert redis_client(RedisRole.STREAMS).exists(cancel_key(first.turn_id))
        attempts.finish_turn(
            claimed=claimed, outcome=TurnOutcome(state=TurnState.CANCELLED, text="so far")
        )
        following = attempts.claim_turn(turn_id=second.turn_id, owner="w", lease_ttl_s=9)
        assert following is not None
        assert [m.text for m in following.history][-2:] == ["so far", "rather this"]


def test_a_message_may_ask_to_be_refused_instead(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme)

    with pytest.raises(TurnInProgress) as refused:
        send(
            actor=ann,
            tenant=committed.acme,
            conversation_id=first.conversation_id,
            delivery=Delivery.REJECT,
        )
    assert refused.value.turn_id == str(first.turn_id)


def test_a_queue_has_an_end(committed: World, ann: Actor) -> None:
    first = send(actor=ann, tenant=committed.acme)
    for _number in range(settings.CHAT_QUEUE_MAX - 1):
        send(
            actor=ann,
            tenant=committed.acme,
            conversation_id=first.conversation_id,
            delivery=Delivery.QUEUE,
        )

    with pytest.raises(QueueFull):
        send(
            actor=ann,
            tenant=committed.acme,
            conversation_id=first.conversation_id,
            delivery=Delivery.QUEUE,
        )


def test_no_message_is_left_waiting_when_it_comes_as_the_answer_ends(
    committed: World, ann: Actor
) -> None:
    """The end of an answer and the next message meet in both orders; somebody always enqueues."""
    for _round in range(8):
        first = send(actor=ann, tenant=committed.acme)
        with scope.tenant_scope(committed.acme):
            claimed = attempts.claim_turn(turn_id=first.turn_id, owner="w", lease_ttl_s=9)
        assert claimed is not None

        def finish(claimed: ClaimedTurn = claimed) -> None:
            try:
                with scope.tenant_scope(committed.acme):
                    attempts.finish_turn(
                        claimed=claimed, outcome=TurnOutcome(state=TurnState.COMPLETED, text="a")
                    )
            finally:
                connections.close_all()

        def follow(conversation_id: UUID = first.conversation_id) -> UUID:
            try:
                return send(
                    actor=ann,
                    tenant=committed.acme,
                    conversation_id=conversation_id,
                    delivery=Delivery.QUEUE,
                ).turn_id
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            done = pool.submit(copy_context().run, finish)
            followed = pool.submit(copy_context().run, follow)
            done.result()
            second = followed.result()
        with scope.tenant_scope(committed.acme):
            assert Turn.objects.get(pk=second).blocked_by_id is None
