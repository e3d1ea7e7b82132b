"""The OpenAI-compatible adapter against a real server with failure modes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from pytest_django.fixtures import Settings

from apps.core.errors import KarenError
from apps.providers import builtin, gateway, registry
from apps.providers.adapters.openai_compatible import NetworkForbidden, OpenAICompatibleAdapter
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    Role,
    TextDelta,
    ToolCall,
    ToolSpec,
    UsageReport,
)
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ProviderInterrupted,
    ProviderUnavailable,
)
from tests.stubs.upstream import SECRET_BODY, Upstream

MODELS = (
    "plain,slow,rate-limited,rate-limited-long,flaky,broken,quota,unauthorized,too-long,redirect,"
    "cut,cut-early,no-finish,garbage,error-event,no-usage,tools,reasoning,o3-mini"
)


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    builtin.register_all()
    adapter = OpenAICompatibleAdapter()
    registry.register(
        registry.Provider(
            kind="openai",
            models=next(p.models for p in registry.providers() if p.kind == "openai"),
            adapter=lambda: adapter,
        )
    )
    async with Upstream() as server:
        settings.OPENAI_BASE_URL = server.url
        settings.OPENAI_API_KEY = "sk-test"
        settings.OPENAI_MODELS = MODELS
        yield server
        await adapter.aclose()
    builtin.register_all()


def request(model: str, *, tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest(
        model=f"openai/{model}",
        messages=(ChatMessage(role=Role.USER, text="hello"),),
        max_tokens=50,
        temperature=0.5,
        partition="t:c",
        tools=tools,
    )


async def answer(model: str) -> list[ProviderEvent]:
    events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request(model))
    return [event async for event in events]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_is_text_then_usage_then_finished(upstream: Upstream) -> None:
    events = await answer("plain")
    assert text_of(events) == "tok0 tok1 tok2 tok3 tok4 "
    assert isinstance(events[-2], UsageReport)
    assert events[-2].usage.completion_tokens == 5
    assert not events[-2].usage.estimated
    assert events[-1] == Finished(reason=FinishReason.STOP)


async def test_the_request_asks_for_usage_and_carries_the_key(upstream: Upstream) -> None:
    await answer("plain")
    body = upstream.requests[0]
    assert body["stream_options"] == {"include_usage": True}
    assert (body["max_tokens"], body["temperature"]) == (50, 0.5)
    assert upstream.headers[0]["authorization"] == "Bearer sk-test"
    assert upstream.headers[0]["accept-encoding"] == "identity"


async def test_a_reasoning_model_gets_no_temperature(upstream: Upstream) -> None:
    await answer("o3-mini")
    assert "temperature" not in upstream.requests[0]
    assert upstream.requests[0]["max_completion_tokens"] == 50


async def test_tool_arguments_are_put_together(upstream: Upstream) -> None:
    tool = ToolSpec(name="add", description="adds", parameters={"type": "object"})
    events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request("tools", tools=(tool,)))
    collected = [event async for event in events]
    assert ToolCall(id="call_1", name="add", arguments='{"a": 1}') in collected
    assert collected[-1] == Finished(reason=FinishReason.TOOL_CALLS)


async def test_reasoning_is_kept_apart(upstream: Upstream) -> None:
    events = await answer("reasoning")
    assert events[0] == ReasoningDelta(text="hmm")
    assert text_of(events).startswith("tok0")


async def test_missing_usage_is_estimated_and_says_so(upstream: Upstream) -> None:
    report = (await answer("no-usage"))[-2]
    assert isinstance(report, UsageReport)
    assert report.usage.estimated
    assert report.usage.completion_tokens > 0


async def test_a_failure_before_the_first_token_is_repeated(upstream: Upstream) -> None:
    assert text_of(await answer("flaky")).startswith("tok0")
    assert len(upstream.requests) == 3


@pytest.mark.parametrize(
    "model,error,attempts",
    [
        ("broken", ProviderUnavailable, 3),
        ("rate-limited", ProviderUnavailable, 3),
        ("rate-limited-long", ProviderUnavailable, 1),
        ("error-event", ProviderUnavailable, 3),
        ("cut-early", ProviderInterrupted, 3),
        ("garbage", ProviderInterrupted, 3),
        ("cut", ProviderInterrupted, 1),
        ("no-finish", ProviderInterrupted, 1),
        ("quota", ConfigurationError, 1),
        ("unauthorized", ConfigurationError, 1),
        ("redirect", ConfigurationError, 1),
        ("too-long", ContextTooLong, 1),
    ],
)
async def test_each_failure_has_its_error_and_its_number_of_attempts(
    upstream: Upstream, model: str, error: type[KarenError], attempts: int
) -> None:
    with pytest.raises(error) as caught:
        await answer(model)
    assert type(caught.value) is error
    assert len(upstream.requests) == attempts
    assert SECRET_BODY not in f"{caught.value} {caught.value.message()} {caught.value.details()}"


async def test_what_came_before_a_cut_is_seen_once(upstream: Upstream) -> None:
    seen: list[ProviderEvent] = []
    with pytest.raises(ProviderInterrupted):
        async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request("cut")):
            seen.append(event)  # noqa: PERF401  # the exception would lose a comprehension
    assert text_of(seen) == "tok0 tok1 tok2 "


async def test_closing_the_stream_drops_the_connection(upstream: Upstream) -> None:
    upstream.tokens = 1000
    async with aclosing(gateway.stream(flow=Flow.CHAT_ANSWER, request=request("slow"))) as events:
        await anext(events)
    async with asyncio.timeout(5):
        while not upstream.dropped:  # noqa: ASYNC110  # counted by the server
            await asyncio.sleep(0.02)


async def test_nothing_beyond_loopback_is_asked_in_tests(
    upstream: Upstream, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL = "https://api.example.com/v1"
    with pytest.raises(NetworkForbidden, match=r"tests/stubs/upstream\.py"):
        await answer("plain")
