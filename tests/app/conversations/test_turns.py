"""The life of a turn: claimed once, fenced, recovered, ended with exactly one terminal event."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection

from apps.conversations import orchestrator, services
from apps.conversations.contracts import TERMINAL_KINDS, TurnOutcome, TurnState
from apps.conversations.domain.steps import Step, StepKind
from apps.conversations.models.messages import Message
from apps.conversations.models.steps import TurnStep
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.services import attempts
from apps.conversations.stream import logged, stream_key
from apps.conversations.tracing import Trace
from apps.core import scope
from apps.core.clock import now
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from apps.jobs.leases import Held
from apps.jobs.models import DeadLetter, Lease
from apps.jobs.reaper import reap_leases
from apps.tenants import services as tenants
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


def kinds_of(turn_id: UUID) -> list[str]:
    entries = logged(redis_client(RedisRole.STREAMS).xrange(stream_key(turn_id)))
    return [entry.decode().kind for entry in entries]


def terminal_of(turn_id: UUID) -> list[str]:
    return [kind for kind in kinds_of(turn_id) if kind in TERMINAL_KINDS]


def expire_lease(turn_id: UUID) -> None:
    Lease.objects.filter(key=turn_id).update(until=now() - timedelta(seconds=1))


def test_a_turn_is_answered_and_leaves_one_terminal_event(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme, text="one two three").turn_id

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)

        turn = Turn.objects.select_related("answer").get()
        assert (turn.state, turn.attempt, turn.finish_reason) == ("completed", 1, "stop")
        assert "one two three" in turn.answer.text
        assert turn.answer.status == "complete"
        assert turn.completion_tokens
        assert terminal_of(turn_id) == ["done"]
        assert kinds_of(turn_id)[0] == "start"
    assert not Lease.objects.exists()


def test_running_a_turn_twice_answers_once(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)
        before = kinds_of(turn_id)
        orchestrator.run_turn(turn_id=turn_id)

        assert kinds_of(turn_id) == before
        assert Turn.objects.get().attempt == 1


def test_a_trace_that_cannot_be_kept_costs_no_answer(
    committed: World, ann: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*, steps: list[Step], **_: object) -> None:
        if steps:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

    turn_id = send(actor=ann, tenant=committed.acme, text="kept").turn_id
    monkeypatch.setattr(attempts, "record_steps", broken)

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)

        assert Turn.objects.get().state == "completed"
        assert terminal_of(turn_id) == ["done"]
        assert not TurnStep.objects.exists()


def test_what_a_fenced_attempt_did_is_told(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme, text="twice").turn_id
    with scope.tenant_scope(committed.acme):
        ghost = attempts.claim_turn(turn_id=turn_id, owner="ghost", lease_ttl_s=9)
        assert ghost is not None
    expire_lease(turn_id)
    reap_leases()
    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)
        trace = Trace()
        trace.add(StepKind.CLAIMED, model=ghost.model)
        outcome = TurnOutcome(state=TurnState.COMPLETED, text="late")

        orchestrator._settle(ghost, outcome, Held("ghost"), trace, [])

        told = TurnStep.objects.filter(turn=turn_id, attempt=1).values_list("kind", flat=True)
        assert list(told) == ["claimed", "settled"]
        assert Turn.objects.get().attempt == 2


def test_only_one_of_two_workers_claims_a_turn(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id

    with scope.tenant_scope(committed.acme):
        first = attempts.claim_turn(turn_id=turn_id, owner="first", lease_ttl_s=9)
        second = attempts.claim_turn(turn_id=turn_id, owner="second", lease_ttl_s=9)

    assert first is not None
    assert second is None


def test_a_dead_workers_turn_is_answered_on_the_next_attempt(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme, text="kept").turn_id
    with scope.tenant_scope(committed.acme):
        dead = attempts.claim_turn(turn_id=turn_id, owner="dead", lease_ttl_s=9)
        assert dead is not None
        attempts.save_partial(claimed=dead, text="half an ans")
    expire_lease(turn_id)

    assert reap_leases() == 1

    with scope.tenant_scope(committed.acme):
        assert Turn.objects.get().state == "retrying"
        orchestrator.run_turn(turn_id=turn_id)
        turn = Turn.objects.select_related("answer").get()
        assert (turn.state, turn.attempt) == ("completed", 2)
        assert "half" not in turn.answer.text
        assert terminal_of(turn_id) == ["done"]


def test_a_worker_that_was_taken_for_dead_changes_nothing(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id
    with scope.tenant_scope(committed.acme):
        ghost = attempts.claim_turn(turn_id=turn_id, owner="ghost", lease_ttl_s=9)
        assert ghost is not None
    expire_lease(turn_id)
    reap_leases()

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)
        answer = Message.objects.get(role="assistant").text
        outcome = TurnOutcome(state=TurnState.COMPLETED, text="from the grave")

        assert not attempts.save_partial(claimed=ghost, text="from the grave")
        assert not attempts.finish_turn(claimed=ghost, outcome=outcome)
        assert Message.objects.get(role="assistant").text == answer
        assert terminal_of(turn_id) == ["done"]


def test_after_three_dead_workers_the_turn_fails_honestly(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id
    for _attempt in range(3):
        with scope.tenant_scope(committed.acme):
            assert attempts.claim_turn(turn_id=turn_id, owner="dead", lease_ttl_s=9)
        expire_lease(turn_id)
        reap_leases()

    with scope.tenant_scope(committed.acme):
        turn = Turn.objects.select_related("answer").get()
        assert (turn.state, turn.attempt, turn.answer.status) == ("failed", 3, "failed")
        assert (turn.error or {})["type"] == "attempts_exhausted"
        assert terminal_of(turn_id) == ["error"]
    assert not Lease.objects.exists()


def test_a_worker_that_dies_between_commit_and_event_is_made_up_for(
    committed: World, ann: Actor
) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id
    with scope.tenant_scope(committed.acme):
        assert attempts.claim_turn(turn_id=turn_id, owner="dying", lease_ttl_s=9)
        # As if the process ended right after its last commit.
        Turn.objects.filter(pk=turn_id).update(state=TurnState.COMPLETED, finish_reason="stop")
        assert terminal_of(turn_id) == []
    expire_lease(turn_id)

    reap_leases()

    with scope.tenant_scope(committed.acme):
        assert terminal_of(turn_id) == ["done"]


def test_a_queued_turn_that_the_broker_lost_is_enqueued_again(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id
    redis_client(RedisRole.BROKER).flushdb()
    expire_lease(turn_id)

    assert reap_leases() == 1

    assert redis_client(RedisRole.BROKER).llen("chat") == 1
    with scope.tenant_scope(committed.acme):
        assert Turn.objects.get().state == "queued"
    assert Lease.objects.filter(kind="turn", key=turn_id).exists()


def test_a_waiting_turn_is_stopped_at_once(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id

    with scope.tenant_scope(committed.acme):
        view = services.cancel_turn(actor=ann, turn_id=turn_id, permission=CHAT)
        orchestrator.run_turn(turn_id=turn_id)

        assert view.state is TurnState.CANCELLED
        assert Turn.objects.get().state == "cancelled"
        assert terminal_of(turn_id) == ["cancelled"]


@pytest.mark.parametrize(
    "script,state,error",
    [
        ("!error unavailable", "failed", "provider_unavailable"),
        ("!error rejected", "failed", "provider_rejected"),
        ("!tokens 20\n!cut", "interrupted", "provider_interrupted"),
    ],
)
def test_a_provider_that_fails_ends_the_turn_with_its_reason(
    committed: World, ann: Actor, script: str, state: str, error: str
) -> None:
    turn_id = send(actor=ann, tenant=committed.acme, text=script).turn_id

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)

        turn = Turn.objects.get()
        assert (turn.state, (turn.error or {})["type"]) == (state, error)
        assert len(terminal_of(turn_id)) == 1
    assert not DeadLetter.objects.exists()


def test_a_suspended_workspaces_turn_goes_on_when_it_is_opened_again(
    committed: World, ann: Actor
) -> None:
    turn_id = send(actor=ann, tenant=committed.acme, text="patience").turn_id
    with scope.tenant_scope(committed.acme):
        assert attempts.claim_turn(turn_id=turn_id, owner="dead", lease_ttl_s=9)
    tenants.suspend_tenant(tenant_id=committed.acme.id)
    expire_lease(turn_id)

    assert reap_leases() == 0
    assert Lease.objects.filter(key=turn_id).exists()
    tenants.resume_tenant(tenant_id=committed.acme.id)
    expire_lease(turn_id)
    assert reap_leases() == 1

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn_id)
        assert Turn.objects.get().state == "completed"


def test_a_turn_whose_model_is_gone_fails_with_that_reason(committed: World, ann: Actor) -> None:
    turn_id = send(actor=ann, tenant=committed.acme).turn_id
    with scope.tenant_scope(committed.acme):
        Turn.objects.filter(pk=turn_id).update(model="openai/gone")

        orchestrator.run_turn(turn_id=turn_id)

        turn = Turn.objects.get()
        assert (turn.state, (turn.error or {})["type"]) == ("failed", "model_not_found")
        assert terminal_of(turn_id) == ["error"]


def test_a_deleted_conversation_ends_what_followed_it(committed: World, ann: Actor) -> None:
    accepted = send(actor=ann, tenant=committed.acme)
    with scope.tenant_scope(committed.acme):
        services.delete_conversation(
            actor=ann, conversation_id=accepted.conversation_id, permission=CHAT
        )

        assert terminal_of(accepted.turn_id) == ["cancelled"]
