"""Asking a model in the worker through Redis: events, errors, leaving, dying."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.errors import KarenError
from apps.core.ids import new_id
from apps.core.redis import RedisRole, async_redis, redis_client
from apps.providers import gateway, pipe
from apps.providers.catalogue import BUILT_IN_NAME, engine_installed
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    Flow,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
    ToolCall,
    UsageReport,
)
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
)
from tests.fixtures.database import World
from tests.fixtures.live import Live, NewKey
from tests.fixtures.people import People


def asked(text: str, model: str = "echo/plain") -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=(ChatMessage(role=Role.USER, text=text),),
        max_tokens=1000,
        temperature=0.5,
        partition="t:c",
    )


@pytest.fixture
async def in_acme(worker: World) -> AsyncIterator[None]:
    with scope.tenant_scope(worker.acme), scope.correlation_scope():
        yield


@pytest.fixture
async def nobody_works(committed: World) -> AsyncIterator[None]:
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        yield


async def events_of(text: str) -> list[ProviderEvent]:
    batches = pipe.stream_in_worker(flow=Flow.API_ANSWER, request=asked(text))
    return [event async for batch in batches for event in batch]


async def test_the_worker_says_what_the_model_says_here(in_acme: None) -> None:
    text = '!think Hmm\nsome words\n!tool add {"a": 1}'
    events = await events_of(text)
    direct = gateway.stream(flow=Flow.API_ANSWER, request=asked(text))
    assert events == [event async for event in direct]
    assert isinstance(events[-1], Finished)
    assert {type(e) for e in events} >= {TextDelta, ToolCall, UsageReport}


@pytest.mark.parametrize(
    "text,error",
    [
        ("!error rejected", ProviderRejected),
        ("!error context", ContextTooLong),
        ("!error timeout", ProviderTimeout),
        ("!error misconfigured", ConfigurationError),
        ("some words\n!cut", ProviderInterrupted),
        ("some words\n!error unavailable", ProviderInterrupted),
    ],
)
async def test_errors_come_back_as_themselves(
    in_acme: None, text: str, error: type[KarenError]
) -> None:
    with pytest.raises(error) as caught:
        await events_of(text)
    assert type(caught.value) is error
    if isinstance(caught.value, ContextTooLong):
        assert caught.value.limit_tokens == 8_192


async def test_a_reader_that_leaves_stops_the_model(nobody_works: None) -> None:
    call_id = new_id()
    request = asked("!delay 0.02\n!tokens 2000")
    await pipe._ask(pipe._keys(call_id), pipe._Question(flow=Flow.API_ANSWER, request=request))
    answering = asyncio.create_task(pipe.answer_call(call_id, within_s=60))
    async with aclosing(pipe._entries(pipe._keys(call_id))) as entries:
        await anext(entries)
    await pipe._leave(pipe._keys(call_id))
    async with asyncio.timeout(5):  # 2000 tokens would take forty seconds
        await answering


async def test_closing_the_answer_leaves_nothing_behind(in_acme: None) -> None:
    request = asked("!delay 0.02\n!tokens 2000")
    async with aclosing(pipe.stream_in_worker(flow=Flow.API_ANSWER, request=request)) as batches:
        await anext(batches)
    keys = [key async for key in async_redis(RedisRole.STREAMS).scan_iter(b"*:call:*")]
    assert not [key for key in keys if not key.endswith(b":answer")]


async def test_a_task_that_is_delivered_twice_answers_once(in_acme: None) -> None:
    call_id = new_id()
    keys = pipe._keys(call_id)
    await pipe._ask(keys, pipe._Question(flow=Flow.API_ANSWER, request=asked("hello")))
    for _ in range(2):
        await pipe.answer_call(call_id, within_s=10)
    entries: Any = await async_redis(RedisRole.STREAMS).xrange(keys[1])
    kinds = [m[0] for _id, fields in entries for m in pipe._decode(fields[b"e"])]
    assert kinds.count("finished") == 1


async def test_a_worker_that_falls_silent_has_died(
    nobody_works: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "SILENT_S", 1.0)
    keys = pipe._keys(new_id())
    await async_redis(RedisRole.STREAMS).xadd(keys[1], {b"e": pipe._encode([["text", "half an "]])})
    seen = []
    with pytest.raises(ProviderInterrupted):
        async for messages in pipe._entries(keys):
            seen.append(messages)  # noqa: PERF401  # the exception would lose a comprehension
    assert seen == [[["text", "half an "]]]


async def test_another_tenants_question_is_out_of_reach(worker: World) -> None:
    call_id = new_id()
    with scope.tenant_scope(worker.acme):
        await pipe._ask(
            pipe._keys(call_id), pipe._Question(flow=Flow.API_ANSWER, request=asked("secret"))
        )
    with scope.tenant_scope(worker.globex):
        await pipe.answer_call(call_id, within_s=5)
    with scope.tenant_scope(worker.acme):
        assert redis_client(RedisRole.STREAMS).exists(pipe._keys(call_id)[0])


@pytest.fixture
def engines_end() -> Iterator[None]:
    """The worker is a thread of this process: other tests find no loaded model."""
    yield
    from apps.providers.engine import owners  # optional: imports llama_cpp

    owners.stop_all()


@pytest.mark.local_model
@pytest.mark.skipif(not engine_installed(), reason="llama-cpp-python is not installed")
async def test_the_local_model_answers_through_the_api_without_entering_the_web_process(
    worker: World, live: Live, people: People, new_key: NewKey, engines_end: None
) -> None:
    key = await platform_db(new_key, people.ann, worker.acme)
    async with live.client(key, worker.acme) as client:
        assert isinstance(client, AsyncOpenAI)
        stream = await client.chat.completions.create(
            model=f"local/{BUILT_IN_NAME}",
            messages=[{"role": "user", "content": "Say hello."}],
            max_tokens=12,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).strip()
    assert chunks[-1].usage is not None
    assert 1 <= chunks[-1].usage.completion_tokens <= 12
    assert "libllama" not in await platform_db(Path(f"/proc/{live.site.pid}/maps").read_text)
