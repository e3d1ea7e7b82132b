"""Embedding models behind an endpoint, against a real server with failure modes."""

import asyncio
import math
import time
from array import array
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, strategies as st
from pytest_django.fixtures import Settings

from apps.core.errors import KarenError
from apps.core.redis import RedisRole, async_redis
from apps.providers import embedding, gateway, registry
from apps.providers.adapters.openai_embed import OpenAIEmbedAdapter
from apps.providers.contracts import Flow
from apps.providers.embedding import pieces_of
from apps.providers.errors import (
    ConfigurationError,
    NoModelAvailable,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
)
from apps.providers.hedging import Hedge
from apps.providers.vectors import VectorCache, known_vectors
from tests.stubs.embeddings import vector_of
from tests.stubs.upstream import Upstream, running_upstream


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    known_vectors.clear()
    settings.EMBEDDING_CACHE_S = 0
    async with running_upstream() as server:
        settings.OPENAI_BASE_URL = server.base_url
        settings.OPENAI_API_KEY = "sk-test"
        yield server
        for adapter in registry._embedding_adapters.values():
            if isinstance(adapter, OpenAIEmbedAdapter):
                await adapter.aclose()
    embedding._hedges.clear()  # what one test learns must not pace another
    known_vectors.clear()


async def embed(model: str, *texts: str) -> list[list[float]]:
    made = await gateway.embed(flow=Flow.EMBED_TEXT, texts=texts, model=f"openai/{model}")
    assert {each.model for each in made} <= {f"openai/{model}"}
    return [each.vector.tolist() for each in made]


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector]


async def test_vectors_come_back_in_order_and_with_unit_length(upstream: Upstream) -> None:
    texts = ("a cat", "a dog", "", "a cat")
    made = await embed("embed", *texts)

    for text, vector in zip(texts, made, strict=True):
        assert vector == pytest.approx(unit(vector_of("embed", text or " ")), abs=1e-6)
    (body,) = upstream.embeddings.bodies
    assert body["input"] == ["a cat", "a dog", " "]  # each once


async def test_rows_in_another_order_are_put_right(upstream: Upstream) -> None:
    first, second = await embed("embed-shuffled", "one", "two")

    assert first == pytest.approx(unit(vector_of("embed-shuffled", "one")), abs=1e-6)
    assert second == pytest.approx(unit(vector_of("embed-shuffled", "two")), abs=1e-6)


async def test_shorter_vectors_are_asked_for_where_the_model_makes_them(
    upstream: Upstream,
) -> None:
    await embed("text-embedding-3-small", "one")
    await embed("embed", "one")

    assert [body.get("dimensions") for body in upstream.embeddings.bodies] == [384, None]


@pytest.mark.parametrize(
    "model, error, asked",
    [
        ("embed-8", ConfigurationError, 1),
        ("unauthorized", ConfigurationError, 1),
        ("redirect", ConfigurationError, 1),
        ("refused", ProviderRejected, 1),
        ("rate-limited", ProviderUnavailable, 3),
        ("rate-limited-long", ProviderUnavailable, 1),
        ("broken", ProviderUnavailable, 3),
        ("embed-short", ProviderInterrupted, 3),
        ("embed-zero", ProviderInterrupted, 3),
        ("embed-garbage", ProviderInterrupted, 3),
    ],
)
async def test_each_failure_has_its_error_and_is_repeated_where_that_helps(
    upstream: Upstream, model: str, error: type[KarenError], asked: int
) -> None:
    with pytest.raises(error) as raised:
        await embed(model, "one", "two")

    assert type(raised.value) is error
    assert len(upstream.embeddings.bodies) == asked


async def test_a_failure_of_a_moment_costs_nothing(upstream: Upstream) -> None:
    assert await embed("first-broken", "one")


async def test_many_texts_are_asked_in_pieces(upstream: Upstream) -> None:
    texts = [f"text {number}" for number in range(300)]
    made = await embed("embed", *texts)

    assert made[-1] == pytest.approx(unit(vector_of("embed", texts[-1])), abs=1e-6)
    asked = dict.fromkeys(tuple(body["input"]) for body in upstream.embeddings.bodies)
    assert [len(piece) for piece in asked] == [128, 128, 44]


@given(texts=st.lists(st.integers(0, 300_000).map("x".__mul__), max_size=20))
def test_pieces_hold_every_text_once_and_fit(texts: list[str]) -> None:
    pieces = list(pieces_of(texts))

    assert [text for piece in pieces for text in piece] == texts
    assert all(pieces)
    assert all(len(p) == 1 or sum(map(len, p)) <= 200_000 for p in pieces)


async def test_what_was_made_is_not_asked_again(upstream: Upstream) -> None:
    first = await embed("embed", "one", "two")
    again = await embed("embed", "two", "one")
    other = await embed("embed-other", "one")

    assert again == first[::-1]
    assert other[0] != first[0]
    assert [body["input"] for body in upstream.embeddings.bodies] == [["one", "two"], ["one"]]


async def test_a_slow_answer_is_asked_for_a_second_time_and_the_first_one_dropped(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(embedding._hedges, ("openai/embed-slow-first", True), Hedge(before_s=0.1))
    started = time.monotonic()

    assert await embed("embed-slow-first", "one")

    assert time.monotonic() - started < 5
    assert len(upstream.embeddings.bodies) == 2
    async with asyncio.timeout(5):
        await upstream.embeddings.dropped.wait()


async def test_the_chosen_model_is_used_or_none(upstream: Upstream, settings: Settings) -> None:
    settings.EMBEDDING_MODEL = "openai/embed"
    (made,) = await gateway.embed(flow=Flow.EMBED_TEXT, texts=["one"])
    assert made.model == "openai/embed"

    for missing in ("openai/embed", "nowhere/embed"):
        settings.EMBEDDING_MODEL = missing
        settings.OPENAI_BASE_URL = settings.OPENAI_API_KEY = ""
        with pytest.raises(NoModelAvailable):
            await gateway.embed(flow=Flow.EMBED_TEXT, texts=["one"])
        assert registry.find_embedder(missing) is None


async def test_too_many_texts_are_refused(upstream: Upstream) -> None:
    with pytest.raises(ProviderRejected):
        await embed("embed", *(str(number) for number in range(1_025)))
    assert upstream.embeddings.bodies == []


# -- hedging by itself


async def test_the_delay_is_learnt_from_answers() -> None:
    hedge = Hedge(before_s=0.5)
    assert hedge.delay_s() == 0.5

    async def quick() -> int:
        return 1

    for _ in range(40):
        assert await hedge.first_of(quick) == 1
    assert hedge.delay_s() < 0.1


async def test_a_provider_in_trouble_is_not_asked_twice_by_everybody() -> None:
    hedge = Hedge(before_s=0.001)
    asked = 0

    async def slow() -> int:
        nonlocal asked
        asked += 1
        answered = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, answered.set)
        await answered.wait()
        return asked

    for _ in range(15):
        await hedge.first_of(slow)
    assert 15 < asked <= 20


async def test_a_failure_before_the_delay_is_raised_at_once() -> None:
    async def failing() -> int:
        raise ProviderUnavailable

    with pytest.raises(ProviderUnavailable):
        await Hedge(before_s=30.0).first_of(failing)


async def test_one_failure_of_two_is_no_failure() -> None:
    asked = 0
    second_asked, first_failed = asyncio.Event(), asyncio.Event()

    async def first_fails_late() -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            await second_asked.wait()
            first_failed.set()
            raise ProviderUnavailable
        second_asked.set()
        await first_failed.wait()
        return 2

    assert await Hedge(before_s=0.01).first_of(first_fails_late) == 2


async def test_whoever_stops_waiting_stops_both_questions() -> None:
    stopped = 0

    async def endless() -> int:
        nonlocal stopped
        try:
            await asyncio.Event().wait()
        finally:
            stopped += 1
        return 0

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await Hedge(before_s=0.01).first_of(endless)
    assert stopped == 2


# -- the cache without Redis


async def test_the_cache_is_bounded_and_forgets_the_oldest(settings: Settings) -> None:
    settings.EMBEDDING_CACHE_S = 0
    cache = VectorCache(entries_max=2)
    for text in ("a", "b", "c"):
        await cache.keep("m", {text: array("f", [1.0])})
    assert set(await cache.find("m", 1, ["a", "b", "c"])) == {"b", "c"}
    assert await cache.find("other", 1, ["b"]) == {}


@pytest.mark.parametrize("answers", [True, False])
async def test_a_redis_that_is_away_is_not_waited_for(settings: Settings, answers: bool) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1] if answers else 1  # accepts and says nothing, or not
    settings.REDIS_URLS = {**settings.REDIS_URLS, "cache": f"redis://127.0.0.1:{port}/0"}
    cache = VectorCache()
    started = time.monotonic()

    for number in range(20):
        assert await cache.find("m", 1, [f"text {number}"]) == {}
        await cache.keep("m", {f"text {number}": array("f", [1.0])})

    assert time.monotonic() - started < 1.5  # each waited for would cost 50 ms or more
    assert set(await cache.find("m", 1, ["text 7"])) == {"text 7"}
    await async_redis(RedisRole.CACHE).connection_pool.disconnect()
    silent.close()
    await silent.wait_closed()
