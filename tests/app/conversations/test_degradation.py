"""What people get when models, searches or caches are away: less, said honestly, never nothing."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
import redis
from pytest_django.fixtures import Settings

from apps.conversations import chat_tools, degradation, orchestrator
from apps.conversations.models.steps import TurnStep
from apps.conversations.models.turns import Turn
from apps.conversations.search.indexing import index_conversation
from apps.conversations.stream import logged, stream_key
from apps.core import ratelimit, scope
from apps.core.concurrency import platform_db, run_async, tenant_db
from apps.core.errors import ServiceUnavailable
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from apps.providers import breaker, registry
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.contracts import (
    Finished,
    FinishReason,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    TextDelta,
)
from celery_app.queues import QUEUES
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.stubs.upstream import Upstream, running_upstream

ActorIn = Callable[[UUID, TenantRef], Actor]

IN_PROCESS = ModelInfo(
    id="inside/small",
    label="Inside",
    provider="inside",
    context_tokens=4_000,
    in_process=True,
    supports_tools=False,
)


class Inside:
    """A model of this process that says what it was asked."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        yield TextDelta(text=f"inside: {request.messages[-1].text}")
        yield Finished(reason=FinishReason.STOP)


@pytest.fixture
def inside(settings: Settings) -> Iterator[None]:
    registry.register(
        registry.Provider(kind="inside", models=lambda: (IN_PROCESS,), adapter=Inside)
    )
    yield
    registry.unregister("inside")


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    settings.LOCAL_MODEL = False
    adapter = OpenAICompatibleAdapter()
    provider = next(each for each in registry.providers() if each.kind == "openai")
    registry.register(replace(provider, adapter=lambda: adapter))
    degradation.outages.forget()
    async with running_upstream() as server:
        settings.OPENAI_BASE_URL = server.base_url
        settings.OPENAI_API_KEY = "sk-test"
        settings.OPENAI_MODELS = "broken,plain,agent,cut"
        yield server
        # Its connections belong to the loop on which turns run.
        await platform_db(lambda: run_async(adapter.aclose()))
    registry.register(provider)
    degradation.outages.forget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A turn that was run."""

    turn: Turn
    text: str
    answer_model: str
    starts: list[dict[str, Any]]
    steps: list[TurnStep]

    def step(self, kind: str) -> dict[str, Any]:
        return next(step.detail for step in self.steps if step.kind == kind)


Ask = Callable[..., Any]


@pytest.fixture
def ask(committed: World, ann: Actor) -> Iterator[Ask]:
    def look(turn_id: UUID) -> Seen:
        turn = Turn.objects.select_related("answer").get(pk=turn_id)
        rows = logged(redis_client(RedisRole.STREAMS).xrange(stream_key(turn_id)))
        events = [row.decode().model_dump(mode="json") for row in rows]
        return Seen(
            turn=turn,
            text=turn.answer.text,
            answer_model=turn.answer.model,
            starts=[event for event in events if event["kind"] == "start"],
            steps=list(TurnStep.objects.filter(turn=turn)),
        )

    def asked(text: str, model: str, runs: int) -> Seen:
        turn_id = send(actor=ann, tenant=committed.acme, text=text, model=model).turn_id
        for _ in range(runs):
            orchestrator.run_turn(turn_id=turn_id)
        return look(turn_id)

    async def ask(text: str, *, model: str, runs: int = 1) -> Seen:
        return await tenant_db(asked, text, model, runs)

    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        yield ask


async def test_everything_there_is_level_one(upstream: Upstream, ask: Ask) -> None:
    seen = await ask("hi", model="openai/plain")
    assert (seen.turn.level, seen.starts[0]["level"]) == (1, 1)


async def test_another_model_answers_for_one_that_is_down_and_says_so(
    upstream: Upstream, ask: Ask
) -> None:
    seen = await ask("hi", model="openai/broken")

    assert seen.turn.state == "completed"
    assert seen.text.startswith("word1")
    assert (seen.turn.level, seen.turn.model) == (2, "openai/plain")
    assert seen.answer_model == "openai/plain"
    assert [(start["model"], start["level"]) for start in seen.starts] == [
        ("openai/broken", 1),
        ("openai/plain", 2),
    ]
    fallback = seen.step("fallback")
    assert fallback["cause"] == "provider_unavailable"
    assert seen.step("settled")["level"] == 2


async def test_while_some_model_is_down_others_say_so_too(upstream: Upstream, ask: Ask) -> None:
    await ask("hi", model="openai/broken")
    assert (await ask("hi", model="openai/plain")).turn.level == 2


async def test_a_model_inside_answers_when_all_remote_ones_are_down(
    upstream: Upstream, inside: None, ask: Ask, settings: Settings
) -> None:
    settings.OPENAI_MODELS = "broken"

    seen = await ask("hi", model="openai/broken", runs=2)

    assert seen.text == "inside: hi"
    assert (seen.turn.level, seen.turn.queue, seen.turn.attempt) == (3, "gpu.inference", 2)
    assert seen.turn.queue in QUEUES
    assert seen.answer_model == "inside/small"
    assert (seen.starts[-1]["model"], seen.starts[-1]["level"]) == ("inside/small", 3)


async def test_without_any_model_the_answer_is_honest_and_helps_with_what_is_known(
    upstream: Upstream, ask: Ask, settings: Settings
) -> None:
    known = await ask("The zebra lives on the blue shelf", model="openai/plain")
    await tenant_db(index_conversation, conversation_id=known.turn.conversation_id)
    settings.OPENAI_MODELS = "broken"

    seen = await ask("Where does the zebra live?", model="openai/broken")

    assert seen.turn.state == "completed"
    assert (seen.turn.level, seen.turn.finish_reason) == (4, "degraded")
    assert seen.text.startswith("No language model can be reached right now")
    assert "blue shelf" in seen.text
    assert seen.starts[-1]["level"] == 4
    assert seen.step("degraded")["found"] >= 1


async def test_without_model_and_without_search_the_answer_is_honest_still(
    upstream: Upstream, ask: Ask, settings: Settings
) -> None:
    def away(actor: Actor, query: str, limit: int) -> list[chat_tools.Found]:
        raise ServiceUnavailable

    settings.OPENAI_MODELS = "broken"
    chat_tools.register_search_tools(find=away, recall=away)  # type: ignore[arg-type]  # raises anyway
    try:
        seen = await ask("Where does the zebra live?", model="openai/broken")
    finally:
        chat_tools.register_search_tools(find=chat_tools.find_by_search)
    assert seen.turn.level == 4
    assert "earlier conversations" not in seen.text


async def test_where_it_is_switched_off_a_turn_fails_instead(
    upstream: Upstream, ask: Ask, settings: Settings
) -> None:
    settings.CHAT_FALLBACK = False
    seen = await ask("hi", model="openai/broken")
    assert (seen.turn.state, seen.turn.level) == ("failed", 1)


async def test_an_answer_that_was_begun_is_never_joined_with_another_models(
    upstream: Upstream, ask: Ask
) -> None:
    seen = await ask("hi", model="openai/cut")
    assert seen.turn.state == "interrupted"
    assert seen.text == "word1 word2 "


async def test_a_model_that_is_busy_for_a_moment_is_waited_for(
    upstream: Upstream, ask: Ask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    settings.OPENAI_MODELS = "first-rate-limited-long"

    async def paused(seconds: float) -> None:
        pauses.append(seconds)
        breaker.forget()  # so much time has passed

    from apps.conversations import attempt

    monkeypatch.setattr(attempt, "_pause_for", paused)
    seen = await ask("hi", model="openai/first-rate-limited-long")

    assert seen.turn.state == "completed"
    assert seen.turn.level == 1
    assert pauses == [60.0]
    assert seen.step("retry")["pause_s"] == 60.0


async def test_tools_work_over_the_real_wire(upstream: Upstream, ask: Ask) -> None:
    seen = await ask(
        'call calculator {"expression": "2**10"}\n'
        'call convert_units {"value": 1, "from_unit": "mile", "to_unit": "km"}',
        model="openai/agent",
    )

    assert seen.text == "They said: 2**10 = 1024 | 1 mile = 1.609344 km"
    first, second = upstream.bodies
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"calculator", "date_time"}
    roles = [message["role"] for message in second["messages"]]
    assert roles[-3:] == ["assistant", "tool", "tool"]


async def test_a_model_that_is_down_after_its_tools_leaves_them_to_the_next(
    upstream: Upstream, ask: Ask, settings: Settings
) -> None:
    settings.OPENAI_MODELS = "agent-once,plain"
    seen = await ask('call calculator {"expression": "1+1"}', model="openai/agent-once")

    assert seen.turn.state == "completed"
    assert (seen.turn.level, seen.turn.model) == (2, "openai/plain")
    assert [step.kind for step in seen.steps].count("tool_call") == 1
    assert seen.text.startswith("word1")


async def test_without_the_cache_chat_answers(
    upstream: Upstream, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(role: RedisRole) -> redis.Redis:
        return redis.Redis(port=1) if role is RedisRole.CACHE else redis_client(role)

    monkeypatch.setattr(ratelimit, "redis_client", away)
    seen = await ask('call calculator {"expression": "1+1"}', model="openai/agent")
    assert seen.text == "They said: 1+1 = 2"


async def test_a_model_that_knows_no_tools_is_offered_none(
    upstream: Upstream, inside: None, ask: Ask
) -> None:
    seen = await ask("hi", model="inside/small")
    assert seen.step("route")["tools"] == []
    assert seen.text == "inside: hi"
