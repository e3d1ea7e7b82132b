"""Rolling summaries: nodes in the tree that replace the beginning of a branch, and only of it."""

import threading
from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from apps.conversations import orchestrator, services, summaries
from apps.conversations.contracts import TurnAccepted
from apps.conversations.models.messages import Message
from apps.conversations.models.summaries import Summary
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import OutboxEntry
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.scribe import MODEL, Scribe

ActorIn = Callable[[UUID, TenantRef], Actor]
Say = Callable[..., TurnAccepted]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture(autouse=True)
def small(settings: Settings) -> None:
    settings.CHAT_MAX_TOKENS = 40
    settings.CHAT_TITLES = False
    settings.CHAT_MESSAGES_PER_MINUTE = 1_000


@pytest.fixture
def say(committed: World, ann: Actor) -> Say:
    """Send a message and have it answered."""

    def ask(text: str, conversation: UUID | None = None, model: str = MODEL) -> TurnAccepted:
        accepted = send(
            actor=ann, tenant=committed.acme, text=text, conversation_id=conversation, model=model
        )
        with scope.tenant_scope(committed.acme), scope.correlation_scope():
            orchestrator.run_turn(turn_id=accepted.turn_id)
        return accepted

    return ask


@pytest.fixture
def long(say: Say, scribe: Scribe) -> TurnAccepted:
    """A thread that takes more than its share of the context."""
    turn = say("begin " + "x " * 50)
    for number in range(5):
        turn = say(f"message {number} " + "x " * 50, turn.conversation_id)
    return turn


def summarise(tenant: TenantRef, turn: TurnAccepted) -> int:
    with scope.tenant_scope(tenant), scope.correlation_scope():
        answer = Turn.objects.get(pk=turn.turn_id).answer_id
        return summaries.summarise_branch(message_id=answer, model_id=MODEL)


def state_of(tenant: TenantRef, turn: TurnAccepted) -> str:
    with scope.tenant_scope(tenant):
        context = Turn.objects.get(pk=turn.turn_id).context
    assert context is not None
    return str(context["summary"])


def seen(scribe: Scribe) -> str:
    return "\n".join(message.text for message in scribe.asked[-1].messages)


def test_a_long_thread_wants_a_summary(committed: World, long: TurnAccepted) -> None:
    assert state_of(committed.acme, long) == "wanted"


def test_a_summary_replaces_the_beginning_of_the_next_prompt(
    committed: World, long: TurnAccepted, say: Say, scribe: Scribe
) -> None:
    scribe.summary = "They spoke of herons."
    assert summarise(committed.acme, long) >= 1

    turn = say("Go on", long.conversation_id)

    first = scribe.asked[-1].messages[0].text
    assert "Summary of the beginning" in first
    assert "They spoke of herons." in first
    assert "begin" not in seen(scribe).replace("beginning", "")
    assert "message 4" in seen(scribe)
    with scope.tenant_scope(committed.acme):
        context = Turn.objects.get(pk=turn.turn_id).context
    assert context is not None
    reasons = {i["reason"] for i in context["items"] if i["source"] == "thread" and not i["taken"]}
    assert reasons == {"covered by the summary"}
    assert context["summary"] == "used"


def test_summarising_twice_changes_nothing(
    committed: World, long: TurnAccepted, scribe: Scribe
) -> None:
    written = summarise(committed.acme, long)
    asked = len(scribe.summarised)

    assert summarise(committed.acme, long) == 0
    assert len(scribe.summarised) == asked
    with scope.tenant_scope(committed.acme):
        assert Summary.objects.count() == written


def test_a_later_summary_is_made_of_the_one_before_and_the_messages_since(
    committed: World, long: TurnAccepted, say: Say, scribe: Scribe
) -> None:
    scribe.summary = "They spoke of herons."
    summarise(committed.acme, long)
    turn = long
    for number in range(5, 9):
        turn = say(f"message {number} " + "x " * 50, turn.conversation_id)
    scribe.summarised.clear()
    scribe.summary = "Herons, then storks."

    assert summarise(committed.acme, turn) >= 1

    asked = scribe.summarised[0].messages[-1].text
    assert "Notes so far:\nThey spoke of herons." in asked
    assert "begin " not in asked
    say("Go on", turn.conversation_id)
    assert "Herons, then storks." in seen(scribe)
    assert "They spoke of herons." not in seen(scribe)


def test_a_branch_never_sees_the_summary_of_anothers_future(
    committed: World, long: TurnAccepted, say: Say, scribe: Scribe, ann: Actor
) -> None:
    scribe.summary = "The secret of the later branch."
    summarise(committed.acme, long)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        root = Message.objects.order_by("id").first()
        covered = Summary.objects.latest("id").message
        assert root is not None
        assert covered.pk != root.pk
        answer = Message.objects.filter(parent=root).get()
        parent: Message = answer
        for number in range(8):  # a branch of its own, as long as the other one
            parent = Message.objects.create(
                conversation_id=long.conversation_id,
                parent=parent,
                role="user",
                parts=[{"type": "text", "text": f"other {number} " + "y " * 50}],
            )
        services.show_branch(
            actor=ann,
            conversation_id=long.conversation_id,
            permission=CHAT,
            message_id=parent.pk,
        )
    turn = say("Go on", long.conversation_id)

    assert "secret" not in seen(scribe)
    assert "other 7" in seen(scribe)
    assert state_of(committed.acme, turn) == "wanted"


def test_a_scripted_model_writes_no_summary_and_the_explanation_says_so(
    committed: World, say: Say, settings: Settings
) -> None:
    settings.CHAT_CONTEXT_SUMMARISE = (0.0, 0.0)
    turn = say("one", model="echo/plain")
    turn = say("two", turn.conversation_id, model="echo/plain")

    assert state_of(committed.acme, turn) == "no_model"
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        answer = Turn.objects.get(pk=turn.turn_id).answer_id
        assert summaries.summarise_branch(message_id=answer, model_id="echo/plain") == 0


def test_a_model_that_refuses_leaves_the_thread_cut(
    committed: World, long: TurnAccepted, say: Say, scribe: Scribe
) -> None:
    scribe.summary = None

    assert summarise(committed.acme, long) == 0
    turn = say("Go on", long.conversation_id)

    assert state_of(committed.acme, turn) == "wanted"
    with scope.tenant_scope(committed.acme):
        assert Turn.objects.get(pk=turn.turn_id).state == "completed"


@pytest.mark.parametrize("model", [MODEL, "no/such"])
def test_a_branch_or_model_that_is_gone_needs_no_summary(
    committed: World, scribe: Scribe, model: str
) -> None:
    with scope.tenant_scope(committed.acme):
        assert summaries.summarise_branch(message_id=new_id(), model_id=model) == 0


def test_a_summary_is_enqueued_with_the_end_of_the_turn_and_written_by_a_worker(
    worker: World, ann: Actor, scribe: Scribe, browser_of: Callable[..., Client]
) -> None:
    scribe.summary = "They spoke of herons."
    conversation = None
    for number in range(8):
        turn = send(
            actor=ann,
            tenant=worker.acme,
            text=f"message {number} " + "x " * 50,
            conversation_id=conversation,
            model=MODEL,
        )
        conversation = turn.conversation_id
        _wait(partial(_ended, worker.acme, turn))

    _wait(lambda: _summaries(worker.acme) > 0)
    # The worker may be done before the relay has written down that it published the task.
    _wait(lambda: not OutboxEntry.objects.filter(task=summaries.SUMMARISE_TASK).exists())


def _ended(tenant: TenantRef, turn: TurnAccepted) -> bool:
    with scope.tenant_scope(tenant):
        return Turn.objects.get(pk=turn.turn_id).state == "completed"


def _summaries(tenant: TenantRef) -> int:
    with scope.tenant_scope(tenant):
        return Summary.objects.count()


def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("it did not happen")
