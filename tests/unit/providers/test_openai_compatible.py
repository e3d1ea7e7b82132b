"""The OpenAI-compatible adapter against a real server with failure modes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import httpx2
import pytest
from pytest_django.fixtures import Settings

from apps.core.errors import KarenError
from apps.providers import gateway, registry
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
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from tests.stubs.upstream import BEHAVIOURS, SECRET, Upstream, running_upstream

NAMES = BEHAVIOURS | {f"first-{name}" for name in BEHAVIOURS} | {"o3-mini", "slow-1000"}


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    timeout = httpx2.Timeout(connect=2.0, read=0.5, write=2.0, pool=2.0)
    adapter = OpenAICompatibleAdapter(timeout=timeout, grace_s=0.2)
    provider = next(each for each in registry.providers() if each.kind == "openai")
    registry.register(replace(provider, adapter=lambda: adapter))
    async with running_upstream() as server:
        settings.OPENAI_BASE_URL = server.base_url
        settings.OPENAI_API_KEY = "sk-test"
        settings.OPENAI_MODELS = ",".join(NAMES)
        yield server
        await adapter.aclose()
    registry.register(provider)


def request(model: str, *, max_tokens: int = 50, tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    return ModelRequest(
        model=f"openai/{model}",
        messages=(ChatMessage(role=Role.USER, text="hello"),),
        max_tokens=max_tokens,
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
    assert text_of(events) == "word1 word2 word3 word4 word5 word6 word7 word8 "
    assert isinstance(events[-2], UsageReport)
    assert events[-2].usage.completion_tokens == 8
    assert not events[-2].usage.estimated
    assert events[-1] == Finished(reason=FinishReason.STOP)


async def test_the_request_asks_for_usage_and_carries_the_key(upstream: Upstream) -> None:
    await answer("plain")
    body = upstream.bodies[0]
    assert body["stream_options"] == {"include_usage": True}
    assert (body["max_tokens"], body["temperature"]) == (50, 0.5)
    assert upstream.headers[0]["authorization"] == "Bearer sk-test"
    assert upstream.headers[0]["accept-encoding"] == "identity"


async def test_a_reasoning_model_gets_no_temperature(upstream: Upstream) -> None:
    await answer("o3-mini")
    assert "temperature" not in upstream.bodies[0]
    assert upstream.bodies[0]["max_completion_tokens"] == 50


async def test_tool_arguments_are_put_together(upstream: Upstream) -> None:
    tool = ToolSpec(name="add", description="adds", parameters={"type": "object"})
    events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request("tools", tools=(tool,)))
    collected = [event async for event in events]
    assert ToolCall(id="call_1", name="add", arguments='{"a": 1, "b": 2}') in collected
    assert collected[-1] == Finished(reason=FinishReason.TOOL_CALLS)


async def test_reasoning_is_kept_apart(upstream: Upstream) -> None:
    events = await answer("reasoning")
    assert events[0] == ReasoningDelta(text="Let ")
    assert text_of(events).startswith("word1")


async def test_missing_usage_is_estimated_and_says_so(upstream: Upstream) -> None:
    report = (await answer("no-usage"))[-2]
    assert isinstance(report, UsageReport)
    assert report.usage.estimated
    assert report.usage.completion_tokens > 0


async def test_an_answer_cut_by_max_tokens_says_so(upstream: Upstream) -> None:
    events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request("plain", max_tokens=3))
    collected = [event async for event in events]
    assert text_of(collected) == "word1 word2 word3 "
    assert collected[-1] == Finished(reason=FinishReason.LENGTH)


@pytest.mark.parametrize("model", ["first-broken", "first-rate-limited", "first-cut-early"])
async def test_a_failure_before_the_first_token_is_repeated(upstream: Upstream, model: str) -> None:
    assert text_of(await answer(model)).startswith("word1")
    assert len(upstream.bodies) == 2


@pytest.mark.parametrize("model", ["slow-end", "cut-late"])
async def test_what_happens_after_the_finish_reason_does_not_spoil_the_answer(
    upstream: Upstream, model: str
) -> None:
    events = await answer(model)
    assert text_of(events).endswith("word8 ")
    assert events[-1] == Finished(reason=FinishReason.STOP)


@pytest.mark.parametrize(
    "model,error,attempts",
    [
        ("broken", ProviderUnavailable, 3),
        ("rate-limited", ProviderUnavailable, 3),
        ("rate-limited-long", ProviderUnavailable, 1),
        ("cut-early", ProviderInterrupted, 3),
        ("error-event", ProviderInterrupted, 1),
        ("garbage", ProviderInterrupted, 1),
        ("cut", ProviderInterrupted, 1),
        ("huge", ProviderInterrupted, 1),
        ("hang-midway", ProviderInterrupted, 1),
        ("no-finish", ProviderInterrupted, 1),
        ("hang", ProviderTimeout, 1),
        ("no-credit", ConfigurationError, 1),
        ("unauthorized", ConfigurationError, 1),
        ("unknown-model", ConfigurationError, 1),
        ("redirect", ConfigurationError, 1),
        ("refused", ProviderRejected, 1),
        ("too-long", ContextTooLong, 1),
    ],
)
async def test_each_failure_has_its_error_and_its_number_of_attempts(
    upstream: Upstream, model: str, error: type[KarenError], attempts: int
) -> None:
    with pytest.raises(error) as caught:
        await answer(model)
    assert type(caught.value) is error
    assert len(upstream.bodies) == attempts
    assert SECRET not in f"{caught.value} {caught.value.message()} {caught.value.details()}"


async def test_a_long_wait_asked_for_is_told_to_the_caller(upstream: Upstream) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await answer("rate-limited-long")
    assert caught.value.headers() == {"Retry-After": "60"}


async def test_nobody_listening_is_unavailable(upstream: Upstream) -> None:
    await upstream.stop()
    with pytest.raises(ProviderUnavailable):
        await answer("plain")


async def test_what_came_before_a_cut_is_seen_once(upstream: Upstream) -> None:
    seen: list[ProviderEvent] = []
    with pytest.raises(ProviderInterrupted):
        async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request("cut")):
            seen.append(event)  # noqa: PERF401  # the exception would lose a comprehension
    assert text_of(seen) == "word1 word2 "


async def test_closing_the_stream_drops_the_connection(upstream: Upstream) -> None:
    asked = request("slow-1000", max_tokens=1000)
    async with aclosing(gateway.stream(flow=Flow.CHAT_ANSWER, request=asked)) as events:
        await anext(events)
    async with asyncio.timeout(5):
        await upstream.next_drop.wait()


async def test_nothing_beyond_loopback_is_asked_in_tests(
    upstream: Upstream, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL = "https://api.example.com/v1"
    with pytest.raises(NetworkForbidden, match=r"tests/stubs/upstream\.py"):
        await answer("plain")
