"""Models that act: calls, events, results, limits, and what a second attempt never repeats."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pydantic import Field
from pytest_django.fixtures import Settings

from apps.conversations import hub, orchestrator, services
from apps.conversations.chat_tools import find_by_search
from apps.conversations.contracts import ConversationOptions, NewMessage, message_parts
from apps.conversations.domain.steps import StepKind, call_key
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.steps import TurnStep
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.search.indexing import index_conversation
from apps.conversations.services import attempts, steps as ledger
from apps.conversations.stream import logged, stream_key
from apps.conversations.tracing import Trace
from apps.core import scope
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from apps.plugins import registry
from apps.plugins.contracts import Arguments, Tool, ToolContext, ToolResult
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]

CALC = '!tool calculator {"expression": "6*7"}'


class Note(Arguments):
    text: str = Field(max_length=50)


class Counting:
    """A tool that changes something: it counts how often it really ran."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def tool(self) -> Tool:
        return Tool(
            name="take_note",
            title="Note",
            description="Takes a note.",
            parameters=Note,
            run=self._run,
            permission="chat.user",
            side_effects=True,
        )

    def _run(self, context: ToolContext, arguments: Note) -> ToolResult:
        self.notes.append(arguments.text)
        return ToolResult(text=f"noted {arguments.text}")


class Meeting:
    """A tool whose calls end only when two of them run at the same time."""

    def __init__(self) -> None:
        self._here = 0
        self._both = asyncio.Event()

    async def run(self, context: ToolContext, arguments: Note) -> ToolResult:
        self._here += 1
        if self._here == 2:
            self._both.set()
        await self._both.wait()
        return ToolResult(text=f"met {arguments.text}")


async def _never(context: ToolContext, arguments: Note) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.fixture
def notes() -> Iterator[Counting]:
    counting = Counting()
    registry.register_tool(counting.tool())
    yield counting
    registry.unregister_tool("take_note")


@pytest.fixture
def extra(notes: Counting) -> Iterator[Callable[[Tool], None]]:
    added: list[str] = []

    def add(tool: Tool) -> None:
        registry.register_tool(tool)
        added.append(tool.name)

    yield add
    for name in added:
        registry.unregister_tool(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A turn that was run, and what was seen of it."""

    turn: Turn
    message: Message
    events: list[dict[str, Any]]
    steps: list[TurnStep]

    @property
    def calls(self) -> list[dict[str, Any]]:
        parts = message_parts.validate_python(self.message.parts)
        return [part.model_dump() for part in parts if part.type == "tool"]

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]


Run = Callable[..., Answered]


def events_of(turn_id: UUID) -> list[dict[str, Any]]:
    rows = logged(redis_client(RedisRole.STREAMS).xrange(stream_key(turn_id)))
    return [row.decode().model_dump(mode="json") for row in rows]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
def run(committed: World, ann: Actor) -> Iterator[Run]:
    """Send a message and answer it in this thread."""

    def answered(text: str, *, run: bool = True, **options: Any) -> Answered:
        wanted = NewMessage(
            client_message_id=f"m{Message.objects.count()}",
            text=text,
            model="echo/plain",
            options=ConversationOptions(**options),
        )
        accepted = hub.ask(actor=ann, edge="test", wanted=wanted)
        if run:
            orchestrator.run_turn(turn_id=accepted.turn_id)
        return look(accepted.turn_id)

    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        yield answered


def look(turn_id: UUID) -> Answered:
    turn = Turn.objects.get(pk=turn_id)
    return Answered(
        turn=turn,
        message=turn.answer,
        events=events_of(turn_id),
        steps=list(TurnStep.objects.filter(turn=turn)),
    )


def test_a_call_becomes_an_event_a_result_and_an_answer(run: Run) -> None:
    seen = run(f"Let me see.\n{CALC}")

    assert seen.turn.state == "completed"
    assert seen.message.text == "Let me see.\n\nThe tool says: 6*7 = 42"
    parts = [part["type"] for part in seen.message.parts]
    assert parts == ["text", "tool", "text"]
    (call,) = seen.calls
    assert (call["name"], call["status"], call["result"]) == ("calculator", "completed", "6*7 = 42")
    tools = [event for event in seen.events if event["kind"] == "tool"]
    assert [event["status"] for event in tools] == ["running", "completed"]
    assert tools[1]["result"] == "6*7 = 42"
    assert "".join(e["text"] for e in seen.events if e["kind"] == "delta") == seen.message.text


def test_arguments_that_do_not_fit_are_told_to_the_model(run: Run) -> None:
    seen = run('!tool calculator {"formula": "1+1"}\n!then\n!tool calculator {"expression": "1+1"}')
    first, second = seen.calls
    assert first["status"] == "failed"
    assert "expression: Field required" in first["result"]
    assert second["result"] == "1+1 = 2"
    assert seen.message.text == "The tool says: 1+1 = 2"


def test_a_tool_outside_of_the_conversations_list_is_refused(run: Run) -> None:
    seen = run(CALC, tools=["date_time"])
    assert seen.calls[0]["status"] == "refused"
    route = next(step for step in seen.steps if step.kind == "route")
    assert route.detail["tools"] == ["date_time"]
    assert run(CALC, tools=[]).calls[0]["status"] == "refused"


def test_a_slow_tool_is_given_up_and_the_answer_goes_on(
    run: Run, extra: Callable[[Tool], None], notes: Counting
) -> None:
    extra(replace(notes.tool(), name="sleepy", run=_never, timeout_s=0.05, side_effects=False))
    seen = run('!tool sleepy {"text": "a"}')
    assert seen.turn.state == "completed"
    assert "given up" in seen.message.text
    assert seen.calls[0]["status"] == "failed"


def test_calls_of_one_round_run_side_by_side(
    run: Run, extra: Callable[[Tool], None], notes: Counting
) -> None:
    extra(replace(notes.tool(), name="meet", run=Meeting().run, timeout_s=5, side_effects=False))
    seen = run('!tool meet {"text": "a"}\n!tool meet {"text": "b"}')
    assert seen.message.text == "The tool says: met a; met b"


def test_calls_beyond_the_limit_of_one_round_are_refused(run: Run, settings: Settings) -> None:
    settings.CHAT_TOOL_CALLS = 2
    lines = [f'!tool calculator {{"expression": "{n}+1"}}' for n in range(4)]
    seen = run("\n".join(lines))
    assert [call["status"] for call in seen.calls] == ["completed"] * 2 + ["refused"] * 2


def test_rounds_are_limited_and_then_the_model_has_to_answer(run: Run, settings: Settings) -> None:
    settings.CHAT_TOOL_ROUNDS = 3
    rounds = [f'!tool calculator {{"expression": "{n}*2"}}' for n in range(8)]
    seen = run("\n!then\n".join(rounds))
    assert len(seen.calls) == 3
    assert seen.message.text == "The tool says: 2*2 = 4"
    assert seen.turn.state == "completed"


def test_the_same_call_is_made_once_and_a_model_that_insists_has_to_answer(run: Run) -> None:
    seen = run("\n!then\n".join([CALC] * 6))
    assert [call["status"] for call in seen.calls] == ["completed", "refused", "refused"]
    assert "same call" in seen.calls[1]["result"]
    assert len({call["call_id"] for call in seen.calls}) == 3


def test_reasoning_is_kept_and_told_only_where_it_is_wanted(run: Run) -> None:
    hidden = run("!think hmm\nyes")
    assert "reasoning" not in hidden.kinds()
    assert hidden.message.parts[0] == {"type": "reasoning", "text": "hmm"}
    assert hidden.message.text == "yes"
    shown = run("!think hmm\nyes", show_reasoning=True)
    assert "reasoning" in shown.kinds()


def test_usage_is_the_sum_of_all_calls_of_the_model(run: Run) -> None:
    seen = run(CALC)
    asked = [step for step in seen.steps if step.kind == "model_call"]
    assert len(asked) == 2
    assert seen.turn.completion_tokens == sum(s.detail["completion_tokens"] for s in asked)


def test_a_trace_tells_every_step_in_order(run: Run) -> None:
    seen = run(CALC)
    assert [step.kind for step in seen.steps] == [
        "claimed",
        "instructions",
        "context",
        "route",
        "model_call",
        "tool_call",
        "model_call",
        "settled",
    ]
    assert len({step.correlation_id for step in seen.steps}) == 1
    call = seen.steps[5].detail
    assert (call["tool"], call["status"], call["result"]) == ("calculator", "ok", "6*7 = 42")
    assert seen.steps[7].detail["state"] == "completed"


def test_secrets_in_arguments_do_not_reach_the_trace(run: Run) -> None:
    seen = run('!tool calculator {"expression": "sk-abcdefgh12345678"}')
    assert "sk-abcdefgh" not in str([step.detail for step in seen.steps])


def test_the_trace_is_served_to_whoever_sees_the_turn(
    run: Run, committed: World, people: People, browser_of: BrowserOf
) -> None:
    turn_id = run(CALC).turn.pk
    path = f"/api/v1/turns/{turn_id}/trace"
    answer = browser_of(people.ann, committed.acme).get(path)
    assert answer.status_code == 200
    kinds = [step["kind"] for step in answer.json()["steps"]]
    assert kinds[0] == "claimed"
    assert "tool_call" in kinds
    assert browser_of(people.bea, committed.acme).get(path).status_code == 404


def _died_after(turn_id: UUID, **detail: Any) -> None:
    """Leave what a worker leaves that took a note and died."""
    claimed = attempts.claim_turn(turn_id=turn_id, owner="dead", lease_ttl_s=9)
    assert claimed is not None
    arguments = '{"text": "milk"}'
    step = Trace().step(StepKind.TOOL_CALL, key=call_key("take_note", arguments), **detail)
    ledger.record_tool_call(claimed=claimed, step=step)
    Turn.objects.filter(pk=turn_id).update(state="retrying", owner="")


NOTE = '!tool take_note {"text":"milk"}'


def test_a_second_attempt_reuses_what_the_first_one_finished(run: Run, notes: Counting) -> None:
    turn_id = run(NOTE, run=False).turn.pk
    _died_after(turn_id, status="ok", result="noted milk", side_effects=True)

    orchestrator.run_turn(turn_id=turn_id)

    assert notes.notes == []
    seen = look(turn_id)
    assert seen.turn.attempt == 2
    assert seen.message.text == "The tool says: noted milk"


@pytest.mark.parametrize("status", ["begun", "timeout", "broken"])
def test_a_call_whose_effect_is_unknown_is_not_repeated_silently(
    run: Run, notes: Counting, status: str
) -> None:
    turn_id = run(NOTE, run=False).turn.pk
    _died_after(turn_id, status=status, side_effects=True)

    orchestrator.run_turn(turn_id=turn_id)

    assert notes.notes == []
    assert "unknown" in look(turn_id).message.text


def test_a_call_that_failed_by_its_own_word_is_made_again(run: Run, notes: Counting) -> None:
    turn_id = run(NOTE, run=False).turn.pk
    _died_after(turn_id, status="failed", result="no pen", side_effects=True)

    orchestrator.run_turn(turn_id=turn_id)

    assert notes.notes == ["milk"]


def test_a_call_with_effects_is_in_the_ledger_before_it_begins(run: Run, notes: Counting) -> None:
    seen = run(NOTE)
    assert notes.notes == ["milk"]
    calls = [step for step in seen.steps if step.kind == "tool_call"]
    assert [step.detail["status"] for step in calls] == ["ok"]


def test_whoever_lost_the_right_to_a_tool_meanwhile_cannot_use_it(
    run: Run, people: People, committed: World
) -> None:
    turn_id = run(CALC, run=False).turn.pk
    Turn.objects.filter(pk=turn_id).update(requester_id=people.eve)

    orchestrator.run_turn(turn_id=turn_id)

    assert look(turn_id).calls[0]["status"] == "refused"


def test_other_conversations_are_found_and_other_peoples_are_not(
    run: Run, committed: World, people: People, actor_in: ActorIn
) -> None:
    run("The zebra password is on the blue shelf")
    bea = actor_in(people.bea, committed.acme)
    send(actor=bea, tenant=committed.acme, text="a zebra of my own")
    for conversation in Conversation.objects.all():
        index_conversation(conversation_id=conversation.pk)

    seen = run('!tool search_conversations {"query": "zebra shelf"}')
    assert "blue shelf" in seen.calls[0]["result"]
    nothing = run('!tool search_conversations {"query": "own"}')
    assert "of my own" not in nothing.calls[0]["result"]
    assert find_by_search(bea, "shelf", 5) == []


@pytest.mark.parametrize(
    "scopes, status",
    [(["chat.user"], "refused"), (["chat.user", "chat.tools.search"], "completed")],
)
def test_a_turn_asked_with_a_key_may_do_no_more_than_the_key(
    committed: World, people: People, new_key: NewKey, scopes: list[str], status: str
) -> None:
    token = new_key(people.ann, committed.acme, scopes=tuple(scopes))
    body = {
        "text": '!tool search_conversations {"query": "zebra"}',
        "client_message_id": "by-key",
        "model": "echo/plain",
    }

    answer = Client(HTTP_HOST="acme.localhost").post(
        "/api/v1/turns",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    with scope.tenant_scope(committed.acme):
        orchestrator.run_turn(turn_id=UUID(answer.json()["turn_id"]))
        seen = look(UUID(answer.json()["turn_id"]))

    assert seen.calls[0]["status"] == status
    route = next(step for step in seen.steps if step.kind == "route")
    assert ("search_conversations" in route.detail["tools"]) == (status == "completed")


@pytest.mark.parametrize("tool", ["search_conversations", "search_memory"])
def test_nobodys_past_is_looked_up_where_others_read_it(
    run: Run, people: People, tool: str
) -> None:
    run("The zebra password is on the blue shelf")
    for conversation in Conversation.objects.all():
        index_conversation(conversation_id=conversation.pk)
    waiting = run(f'!tool {tool} {{"query": "zebra shelf"}}', run=False)
    Participant.objects.create(
        conversation=waiting.turn.conversation, user_id=people.bea, added_by=people.ann
    )

    orchestrator.run_turn(turn_id=waiting.turn.pk)

    seen = look(waiting.turn.pk)
    assert seen.calls[0]["status"] == "refused"
    assert "shelf" not in str(seen.calls[0]["result"]) + seen.message.text
    route = next(step for step in seen.steps if step.kind == "route")
    assert tool not in route.detail["tools"]
    assert "calculator" in route.detail["tools"]


def test_a_stopped_turn_stops_its_tools(
    run: Run, extra: Callable[[Tool], None], notes: Counting, ann: Actor
) -> None:
    from apps.conversations.stream import request_cancel

    extra(replace(notes.tool(), name="sleepy", run=_never, timeout_s=60, side_effects=False))
    turn_id = run('!tool sleepy {"text": "a"}', run=False).turn.pk
    request_cancel(turn_id)

    orchestrator.run_turn(turn_id=turn_id)

    seen = look(turn_id)
    assert seen.turn.state == "cancelled"
    assert seen.calls[0]["status"] == "failed"


def test_an_answer_is_continued_where_it_stopped(run: Run, ann: Actor) -> None:
    from apps.conversations.contracts import ContinueAnswer

    seen = run("once upon\n!finish length")
    wanted = ContinueAnswer(message_id=seen.message.pk, client_message_id="go on")
    accepted = services.continue_answer(actor=ann, wanted=wanted, permission=CHAT)
    orchestrator.run_turn(turn_id=accepted.turn_id)

    after = look(accepted.turn_id)
    assert after.message.text.startswith("once upon")
    start = next(event for event in after.events if event["kind"] == "start")
    assert start["text"] == "once upon"
    assert after.message.text == start["text"] + "".join(
        event["text"] for event in after.events if event["kind"] == "delta"
    )
