"""What the model sees: assembled within its context, in a stable order, and explained."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts.permissions import MEMORY_WRITE
from apps.conversations import aftermath, orchestrator, services
from apps.conversations.contracts import (
    ContinueAnswer,
    ConversationOptions,
    TurnAccepted,
    TurnOutcome,
    TurnState,
)
from apps.conversations.models.conversations import Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.search.indexing import index_conversation
from apps.conversations.services import attempts
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import Actor, TenantRef
from apps.memory import services as memory
from apps.memory.models import Memory
from apps.providers.contracts import ModelRequest, Origin, Role
from apps.providers.ledger import CallRecord
from tests.app.conversations.search_scene import told
from tests.app.providers.money import UNPRICED, call, turn_origin, write
from tests.factories import send
from tests.fixtures.budgets import Budget
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.scribe import MODEL, Scribe

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
def browser(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


@pytest.fixture
def say(
    committed: World, ann: Actor, scribe: Scribe, settings: Settings
) -> Callable[..., TurnAccepted]:
    """Send a message and have it answered."""
    settings.CHAT_MAX_TOKENS = 40
    settings.CHAT_MESSAGES_PER_MINUTE = 1_000

    def ask(text: str, conversation: UUID | None = None) -> TurnAccepted:
        accepted = send(
            actor=ann, tenant=committed.acme, text=text, conversation_id=conversation, model=MODEL
        )
        with scope.tenant_scope(committed.acme), scope.correlation_scope():
            orchestrator.run_turn(turn_id=accepted.turn_id)
        return accepted

    return ask


def remember(ann: Actor, tenant: TenantRef, *texts: str, pinned: bool = False) -> None:
    with scope.tenant_scope(tenant), scope.actor_scope(ann):
        for text in texts:
            memory.remember(actor=ann, permission=MEMORY_WRITE, text=text, pinned=pinned)


def words(request: ModelRequest) -> int:
    return sum(len(message.text.split()) for message in request.messages)


def seen(request: ModelRequest) -> str:
    return "\n".join(message.text for message in request.messages)


def context_of(browser: Client, turn: TurnAccepted) -> dict[str, Any]:
    answer = browser.get(f"/api/v1/turns/{turn.turn_id}/context")
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


def items(context: dict[str, Any], source: str) -> list[dict[str, Any]]:
    return [item for item in context["items"] if item["source"] == source]


def test_a_turn_explains_what_the_model_saw(
    say: Callable[..., TurnAccepted], browser: Client, scribe: Scribe
) -> None:
    first = say("How do herons sleep?")
    second = say("And where?", first.conversation_id)

    context = context_of(browser, second)

    assert context["known"]
    assert (context["model"], context["tokenizer"], context["exact"]) == (MODEL, "words", True)
    assert context["used_tokens"] == words(scribe.asked[-1]) <= context["room_tokens"]
    assert [i["preview"] for i in items(context, "question")] == ["And where?"]
    assert [i["preview"] for i in items(context, "thread")] == [
        "An answer.",
        "How do herons sleep?",
    ]
    assert all(i["taken"] and i["reason"] == "fits" for i in items(context, "thread"))
    assert context["missing"] == []


def test_an_unanswered_turn_has_nothing_to_explain(
    committed: World, ann: Actor, browser: Client
) -> None:
    turn = send(actor=ann, tenant=committed.acme)

    assert context_of(browser, turn)["known"] is False


def test_a_long_thread_is_cut_at_its_beginning_and_says_so(
    say: Callable[..., TurnAccepted], browser: Client, scribe: Scribe, settings: Settings
) -> None:
    settings.CHAT_SUMMARIES = False
    turn = say("begin " + "x " * 60)
    for number in range(6):
        turn = say(f"message {number} " + "x " * 60, turn.conversation_id)

    context = context_of(browser, turn)

    assert words(scribe.asked[-1]) == context["used_tokens"] <= context["room_tokens"]
    assert "begin" not in seen(scribe.asked[-1])
    assert "message 5" in seen(scribe.asked[-1])
    thread = items(context, "thread")
    assert [i["taken"] for i in thread] == sorted((i["taken"] for i in thread), reverse=True)
    assert {i["reason"] for i in thread if not i["taken"]} == {
        "over the budget",
        "older than what was cut",
    }
    assert context["summary"] == "off"


def test_the_explanation_is_bounded_and_holds_no_text(
    say: Callable[..., TurnAccepted], scribe: Scribe, committed: World, browser: Client
) -> None:
    scribe.context_tokens = 100_000
    turn = say("heron " * 20)
    with scope.tenant_scope(committed.acme):
        parent = Message.objects.order_by("-id").first()
        for number in range(200):
            parent = Message.objects.create(
                conversation_id=turn.conversation_id,
                parent=parent,
                role="user",
                parts=[{"type": "text", "text": f"heron {number} " + "long " * 200}],
            )
        services.show_branch(
            actor=_owner(committed, turn),
            conversation_id=turn.conversation_id,
            permission=CHAT,
            message_id=parent.pk if parent else turn.message_id,
        )
    last = say("heron?", turn.conversation_id)

    with scope.tenant_scope(committed.acme), connection.cursor() as cursor:
        cursor.execute("SELECT context::text FROM conversations_turn WHERE id = %s", [last.turn_id])
        stored = cursor.fetchone()[0]
    assert "heron" not in stored
    assert len(stored) < 20_000
    assert context_of(browser, last)["sources"][0]["taken"] == 202


def _owner(world: World, turn: TurnAccepted) -> Actor:
    return Actor(id=_owner_id(turn), label="ann", permissions=frozenset({CHAT}))


def _owner_id(turn: TurnAccepted) -> UUID:
    found = Turn.objects.get(pk=turn.turn_id).requester_id
    assert found is not None
    return found


def test_a_pinned_message_outlives_the_cut(
    say: Callable[..., TurnAccepted],
    scribe: Scribe,
    committed: World,
    browser: Client,
    settings: Settings,
) -> None:
    settings.CHAT_SUMMARIES = False
    turn = say("Always answer in verse")
    with scope.tenant_scope(committed.acme):
        Message.objects.filter(pk=turn.message_id).update(pinned_at=now())
    for number in range(6):
        turn = say(f"message {number} " + "x " * 60, turn.conversation_id)

    request = scribe.asked[-1]
    assert "Always answer in verse" in request.messages[0].text
    assert seen(request).count("Always answer in verse") == 1
    assert [i["taken"] for i in items(context_of(browser, turn), "pin")] == [True]


def test_a_pinned_message_that_the_thread_shows_is_not_said_twice(
    say: Callable[..., TurnAccepted], scribe: Scribe, committed: World, browser: Client
) -> None:
    turn = say("Always answer in verse")
    with scope.tenant_scope(committed.acme):
        Message.objects.filter(pk=turn.message_id).update(pinned_at=now())
    turn = say("Go on", turn.conversation_id)

    assert seen(scribe.asked[-1]).count("Always answer in verse") == 1
    assert [i["reason"] for i in items(context_of(browser, turn), "pin")] == ["said already"]


def test_memories_stand_right_before_the_question_and_pinned_ones_at_the_beginning(
    say: Callable[..., TurnAccepted],
    scribe: Scribe,
    committed: World,
    ann: Actor,
    browser: Client,
    settings: Settings,
) -> None:
    settings.CHAT_CONTEXT_EVERYTHING = 0
    remember(ann, committed.acme, "My sister Ada lives in Porto")
    remember(ann, committed.acme, "Call me Captain", pinned=True)
    turn = say("Hello")
    turn = say("Where does my sister Ada live?", turn.conversation_id)

    messages = scribe.asked[-1].messages
    assert "Call me Captain" in messages[0].text
    assert [m.role for m in messages[-2:]] == [Role.SYSTEM, Role.USER]
    assert "My sister Ada lives in Porto" in messages[-2].text
    assert seen(scribe.asked[-1]).count("Porto") == 1
    (recalled,) = items(context_of(browser, turn), "memory")
    assert (recalled["taken"], recalled["preview"]) == (True, "My sister Ada lives in Porto")
    assert "words +0.30" in recalled["why"]
    with scope.tenant_scope(committed.acme):
        assert Memory.objects.get(text__contains="Porto").use_count >= 1


@pytest.mark.parametrize("everything", [0, 1_500])
def test_the_beginning_of_the_prompt_stays_as_it_was(
    say: Callable[..., TurnAccepted],
    scribe: Scribe,
    committed: World,
    ann: Actor,
    settings: Settings,
    everything: int,
) -> None:
    """Prefix caches hit: each prompt begins with the one before, up to what is volatile."""
    settings.CHAT_CONTEXT_EVERYTHING = everything
    remember(ann, committed.acme, "My sister Ada lives in Porto", "The ship sails at nine")
    turn = say("Where does my sister Ada live?")
    turn = say("When does the ship sail?", turn.conversation_id)
    say("Thank you", turn.conversation_id)

    first, second, third = (request.messages for request in scribe.asked)
    told = 2 if everything else 1  # instructions, and the profile where all memories fit
    assert second[:told] == third[:told] == first[:told]
    assert ("Porto" in first[told - 1].text) == bool(everything)
    assert second[told : told + 2] == third[told : told + 2]
    assert [m.text for m in third[told : told + 4 : 2]] == [
        "Where does my sister Ada live?",
        "When does the ship sail?",
    ]


@pytest.mark.parametrize(
    "options", [ConversationOptions(memory_enabled=False), ConversationOptions(temporary=True)]
)
def test_where_memory_is_off_none_is_used(
    options: ConversationOptions, committed: World, ann: Actor, scribe: Scribe, browser: Client
) -> None:
    remember(ann, committed.acme, "My sister Ada lives in Porto", pinned=True)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        made = services.start_conversation(actor=ann, permission=CHAT, options=options)
    turn = send(
        actor=ann,
        tenant=committed.acme,
        text="Where does my sister Ada live?",
        conversation_id=made.id,
        model=MODEL,
    )
    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=turn.turn_id)

    assert "Porto" not in seen(scribe.asked[-1])
    assert items(context_of(browser, turn), "memory") == []


def test_one_persons_memories_are_not_put_before_others(
    say: Callable[..., TurnAccepted],
    scribe: Scribe,
    committed: World,
    people: People,
    ann: Actor,
    browser: Client,
) -> None:
    remember(ann, committed.acme, "My sister Ada lives in Porto")
    turn = say("Hello")
    with scope.tenant_scope(committed.acme):
        Participant.objects.create(
            conversation_id=turn.conversation_id, user_id=people.bea, added_by=people.ann
        )
    turn = say("Where does my sister Ada live?", turn.conversation_id)

    assert "Porto" not in seen(scribe.asked[-1])
    assert context_of(browser, turn)["missing"] == ["memory: off where several people talk"]


def test_who_may_not_read_memories_is_not_told_them_by_an_answer(
    scribe: Scribe, committed: World, ann: Actor, browser: Client
) -> None:
    remember(ann, committed.acme, "My sister Ada lives in Porto")
    remember(ann, committed.acme, "Call me Captain", pinned=True)
    key = replace(ann, permissions=frozenset({"chat.user"}))  # what a key may be given

    turn = send(
        actor=key, tenant=committed.acme, text="Where does my sister Ada live?", model=MODEL
    )
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        orchestrator.run_turn(turn_id=turn.turn_id)

    assert "Porto" not in seen(scribe.asked[-1])
    assert "Captain" not in seen(scribe.asked[-1])
    assert "memory: not permitted" in context_of(browser, turn)["missing"]


def test_a_reader_sees_that_there_was_a_memory_and_not_what_it_says(
    say: Callable[..., TurnAccepted],
    committed: World,
    people: People,
    ann: Actor,
    browser_of: BrowserOf,
) -> None:
    remember(ann, committed.acme, "My sister Ada lives in Porto")
    turn = say("Where does my sister Ada live?")
    with scope.tenant_scope(committed.acme):
        Participant.objects.create(
            conversation_id=turn.conversation_id, user_id=people.bea, added_by=people.ann
        )

    (recalled,) = items(context_of(browser_of(people.bea, committed.acme), turn), "profile")
    assert (recalled["taken"], recalled["preview"]) == (True, "")


def test_a_failing_memory_costs_no_answer(
    say: Callable[..., TurnAccepted], committed: World, ann: Actor, browser: Client
) -> None:
    remember(ann, committed.acme, "My sister Ada lives in Porto")
    with scope.tenant_scope(committed.acme), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE memory_memory RENAME TO memory_away")
    try:
        turn = say("Where does my sister Ada live?")
    finally:
        with scope.tenant_scope(committed.acme), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE memory_away RENAME TO memory_memory")

    assert context_of(browser, turn)["missing"] == ["memory: unavailable"]
    with scope.tenant_scope(committed.acme):
        ended = Turn.objects.get(pk=turn.turn_id)
    assert (ended.state, ended.level) == ("completed", 1)


def test_a_question_that_fits_no_budget_is_asked_all_the_same(
    say: Callable[..., TurnAccepted], scribe: Scribe
) -> None:
    say("word " * 900)

    assert scribe.asked[-1].messages[-1].text.count("word") == 900


def test_a_continuation_ends_with_what_was_said_and_the_wish_to_go_on(
    say: Callable[..., TurnAccepted], scribe: Scribe, committed: World, ann: Actor
) -> None:
    turn = say("Tell a story")
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        row = Turn.objects.get(pk=turn.turn_id)
        Message.objects.filter(pk=row.answer_id).update(
            parts=[{"type": "text", "text": "It was a dark "}], status="interrupted"
        )
        again = services.continue_answer(
            actor=ann,
            wanted=ContinueAnswer(message_id=row.answer_id, client_message_id="go"),
            permission=CHAT,
        )
        orchestrator.run_turn(turn_id=again.turn_id)

    question, written, wish = scribe.asked[-1].messages[-3:]
    assert (question.role, question.text) == (Role.USER, "Tell a story")
    assert (written.role, written.text) == (Role.ASSISTANT, "It was a dark ")
    assert wish.role is Role.USER
    assert "exactly where it stopped" in wish.text


def test_a_fenced_attempt_explains_nothing(committed: World, ann: Actor) -> None:
    turn = send(actor=ann, tenant=committed.acme)
    with scope.tenant_scope(committed.acme):
        claimed = attempts.claim_turn(turn_id=turn.turn_id, owner="w", lease_ttl_s=9)
        assert claimed is not None
        Turn.objects.filter(pk=turn.turn_id).update(attempt=2)
        late = TurnOutcome(state=TurnState.COMPLETED, text="late", context={"version": 1})
        aftermath.settle(claimed, late)
        assert Turn.objects.get(pk=turn.turn_id).context is None


# -- the gauge


def test_a_new_conversation_has_an_unknown_gauge(
    committed: World, ann: Actor, browser: Client
) -> None:
    turn = send(actor=ann, tenant=committed.acme)

    gauge = browser.get(f"/api/v1/conversations/{turn.conversation_id}/gauge").json()

    assert gauge["used_tokens"] is None
    assert gauge["cost"] is None
    assert gauge["context_tokens"] > 0
    assert (gauge["prompt_tokens_total"], gauge["completion_tokens_total"]) == (0, 0)


def test_the_gauge_grows_with_the_conversation(
    say: Callable[..., TurnAccepted], browser: Client, scribe: Scribe
) -> None:
    first = say("How do herons sleep?")
    path = f"/api/v1/conversations/{first.conversation_id}/gauge"
    one = browser.get(path).json()
    say("And where?", first.conversation_id)
    two = browser.get(path).json()

    assert one["used_tokens"] < two["used_tokens"] <= scribe.context_tokens
    assert one["prompt_tokens_total"] < two["prompt_tokens_total"]
    assert two["cost"] == "0"  # the model runs here


def test_the_gauge_tells_the_cost_of_its_own_turns_and_of_the_next_message(
    committed: World,
    ann: Actor,
    say: Callable[..., TurnAccepted],
    browser: Client,
    budget: Budget,
) -> None:
    here, elsewhere = say("How do herons sleep?"), say("And whales?")

    def of(turn: TurnAccepted, tenant: TenantRef) -> CallRecord:
        return call(tenant, origin=Origin(turn_id=turn.turn_id, attempt=1, step=7))

    write(
        of(here, committed.acme),
        replace(of(here, committed.acme), tariff=UNPRICED, origin=turn_origin(step=8)),
        replace(of(here, committed.acme), tariff=UNPRICED),
        of(elsewhere, committed.acme),
        of(here, committed.globex),  # the same id in another workspace
    )
    path = f"/api/v1/conversations/{here.conversation_id}/gauge"

    gauge = browser.get(path).json()

    assert gauge["cost"] == "0.0014"
    assert gauge["unpriced_calls"] == 1
    assert gauge["next_cost_low"] == gauge["next_cost_high"] == "0"  # it runs here
    with budget("GET /api/v1/conversations/{conversation}/gauge"):
        browser.get(path)


def test_what_was_said_here_leaves_room_for_what_was_said_elsewhere(
    committed: World, people: People, say: Callable[..., TurnAccepted], scribe: Scribe
) -> None:
    told(committed.acme, people.ann, "The walrus sleeps in Tromso")
    here = say("walrus walrus")
    for number in range(8):
        say(f"The walrus, question {number}", here.conversation_id)
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        index_conversation(conversation_id=here.conversation_id)

    say("walrus", here.conversation_id)

    assert "Tromso" in seen(scribe.asked[-1])
