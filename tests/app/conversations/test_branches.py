"""Editing, asking again, going on, switching: the tree keeps every branch."""

from collections.abc import Callable
from uuid import UUID

import pytest

from apps.conversations import hub, orchestrator, selectors, services
from apps.conversations.contracts import (
    AnswerAgain,
    ContinueAnswer,
    NewMessage,
    TurnAccepted,
    TurnOutcome,
    TurnState,
)
from apps.conversations.errors import IdempotencyConflict, MessageNotFound, TurnInProgress
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.services import attempts
from apps.core import scope
from apps.core.errors import InvalidInput
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


def ask(
    actor: Actor, tenant: TenantRef, wanted: NewMessage | AnswerAgain | ContinueAnswer
) -> TurnAccepted:
    with scope.tenant_scope(tenant), scope.actor_scope(actor), scope.correlation_scope():
        return hub.ask(actor=actor, edge="test", wanted=wanted)


def answered(
    actor: Actor, tenant: TenantRef, text: str, conversation_id: UUID | None = None
) -> TurnAccepted:
    """Send a message and run its turn."""
    accepted = send(actor=actor, tenant=tenant, text=text, conversation_id=conversation_id)
    with scope.tenant_scope(tenant):
        orchestrator.run_turn(turn_id=accepted.turn_id)
    return accepted


def branch_of(conversation_id: UUID) -> list[str]:
    leaf_id = Conversation.objects.get(pk=conversation_id).leaf_id
    assert leaf_id is not None
    return [m.text for m in selectors.list_branch(leaf_id=leaf_id) if m.role == "user"]


def test_an_edited_message_starts_a_branch_and_keeps_the_old_one(
    committed: World, ann: Actor
) -> None:
    first = answered(ann, committed.acme, "one")
    answered(ann, committed.acme, "two", conversation_id=first.conversation_id)

    edited = ask(
        ann,
        committed.acme,
        NewMessage(
            conversation_id=first.conversation_id,
            client_message_id="edit",
            text="one, but better",
            model="echo/plain",
            edit_of=first.message_id,
        ),
    )

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=edited.turn_id)
        assert branch_of(first.conversation_id) == ["one, but better"]
        assert Message.objects.get(pk=edited.message_id).parent_id is None
        with scope.actor_scope(ann):
            services.show_branch(
                actor=ann,
                conversation_id=first.conversation_id,
                permission=CHAT,
                message_id=first.message_id,
            )
        assert branch_of(first.conversation_id) == ["one", "two"]


def test_the_model_sees_its_own_branch_and_nothing_of_the_others(
    committed: World, ann: Actor
) -> None:
    first = answered(ann, committed.acme, "one")
    answered(ann, committed.acme, "a secret elsewhere", conversation_id=first.conversation_id)
    edited = ask(
        ann,
        committed.acme,
        NewMessage(
            conversation_id=first.conversation_id,
            client_message_id="edit",
            text="anew",
            model="echo/plain",
            edit_of=first.message_id,
        ),
    )

    with scope.tenant_scope(committed.acme):
        claimed = attempts.claim_turn(turn_id=edited.turn_id, owner="me", lease_ttl_s=9)

    assert claimed is not None
    assert [m.text for m in claimed.history] == ["anew"]


def test_an_answer_can_be_asked_again_of_another_model(committed: World, ann: Actor) -> None:
    first = answered(ann, committed.acme, "one")
    with scope.tenant_scope(committed.acme):
        old = Turn.objects.get().answer_id

    again = ask(
        ann,
        committed.acme,
        AnswerAgain(message_id=old, client_message_id="again", model="echo/slow"),
    )

    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=again.turn_id)
        answers = Message.objects.filter(parent_id=first.message_id).order_by("id")
        assert [(a.model, a.status) for a in answers] == [
            ("echo/plain", "complete"),
            ("echo/slow", "complete"),
        ]
        assert Conversation.objects.get().leaf_id == answers[1].pk
        assert Message.objects.filter(role="user").count() == 1


def test_asking_again_twice_under_one_id_asks_once(committed: World, ann: Actor) -> None:
    first = answered(ann, committed.acme, "one")
    wanted = AnswerAgain(message_id=first.message_id, client_message_id="again")

    one, two = ask(ann, committed.acme, wanted), ask(ann, committed.acme, wanted)

    assert (one.turn_id, one.created) == (two.turn_id, True)
    assert not two.created
    with pytest.raises(IdempotencyConflict):
        ask(
            ann,
            committed.acme,
            ContinueAnswer(message_id=first.message_id, client_message_id="again"),
        )


def test_an_answer_that_is_being_written_is_not_asked_again(committed: World, ann: Actor) -> None:
    accepted = send(actor=ann, tenant=committed.acme)
    with scope.tenant_scope(committed.acme):
        answer_id = Turn.objects.get(pk=accepted.turn_id).answer_id

    with pytest.raises(TurnInProgress):
        ask(ann, committed.acme, AnswerAgain(message_id=answer_id, client_message_id="x"))


def test_an_interrupted_answer_goes_on_where_it_stopped(committed: World, ann: Actor) -> None:
    accepted = send(actor=ann, tenant=committed.acme)
    with scope.tenant_scope(committed.acme):
        claimed = attempts.claim_turn(turn_id=accepted.turn_id, owner="me", lease_ttl_s=9)
        assert claimed is not None
        attempts.finish_turn(
            claimed=claimed, outcome=TurnOutcome(state=TurnState.INTERRUPTED, text="It was a dark ")
        )

    more = ask(
        ann,
        committed.acme,
        ContinueAnswer(message_id=claimed.answer_id, client_message_id="more"),
    )

    with scope.tenant_scope(committed.acme):
        again = attempts.claim_turn(turn_id=more.turn_id, owner="me", lease_ttl_s=9)
        assert again is not None
        assert (again.prefix, again.kind.value) == ("It was a dark ", "continue")
        assert Message.objects.get(pk=again.answer_id).text == "It was a dark "


def test_a_complete_answer_has_no_rest(committed: World, ann: Actor) -> None:
    answered(ann, committed.acme, "one")
    with scope.tenant_scope(committed.acme):
        answer_id = Turn.objects.get().answer_id

    with pytest.raises(InvalidInput):
        ask(ann, committed.acme, ContinueAnswer(message_id=answer_id, client_message_id="more"))


def test_several_models_answer_side_by_side(committed: World, ann: Actor) -> None:
    accepted = ask(
        ann,
        committed.acme,
        NewMessage(
            client_message_id="both", text="hello", models=("echo/plain", "echo/slow", "echo/plain")
        ),
    )

    assert len(accepted.turn_ids) == 2
    with scope.tenant_scope(committed.acme):
        for turn_id in accepted.turn_ids:
            orchestrator.run_turn(turn_id=turn_id)
        answers = Message.objects.filter(parent_id=accepted.message_id)
        assert {(a.model, a.status) for a in answers} == {
            ("echo/plain", "complete"),
            ("echo/slow", "complete"),
        }


def test_the_same_id_with_another_body_is_a_conflict(committed: World, ann: Actor) -> None:
    send(actor=ann, tenant=committed.acme, text="one", client_message_id="m")

    with pytest.raises(IdempotencyConflict):
        send(actor=ann, tenant=committed.acme, text="two", client_message_id="m")


def test_a_message_of_another_conversation_is_no_place_here(committed: World, ann: Actor) -> None:
    here = answered(ann, committed.acme, "one")
    there = answered(ann, committed.acme, "two")

    for place in ("parent_id", "edit_of"):
        with pytest.raises(MessageNotFound):
            ask(
                ann,
                committed.acme,
                NewMessage.model_validate(
                    {
                        "conversation_id": here.conversation_id,
                        "client_message_id": place,
                        "text": "x",
                        place: there.message_id,
                    }
                ),
            )


def test_a_stranger_sees_nothing_and_a_participant_all(
    committed: World, people: People, ann: Actor, actor_in: ActorIn
) -> None:
    accepted = answered(ann, committed.acme, "one")
    bea = actor_in(people.bea, committed.acme)
    wanted = AnswerAgain(message_id=accepted.message_id, client_message_id="b")

    with pytest.raises(MessageNotFound):
        ask(bea, committed.acme, wanted)
    with scope.tenant_scope(committed.acme):
        assert ann.id is not None
        Participant.objects.create(
            id=new_id(),
            conversation_id=accepted.conversation_id,
            user_id=people.bea,
            added_by=ann.id,
        )
    assert ask(bea, committed.acme, wanted).created
