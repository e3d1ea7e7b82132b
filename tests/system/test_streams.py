"""Many open streams and one that nobody reads, against a real web process."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import aiohttp
import psutil
import pytest
from django.conf import settings
from django.test import Client

from apps.conversations.contracts import DeltaEvent, DoneEvent, StartEvent
from apps.conversations.stream import TurnWriter, append_end
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.system.web_process import WebProcess, running_web

pytestmark = pytest.mark.system

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]
Kinds = AsyncIterator[str]
Transport = Callable[[WebProcess, str, UUID], AbstractAsyncContextManager[Kinds]]

STREAMS, PIECES = 200, 20
DEAF, WARMING_PIECES = 8, 600


@asynccontextmanager
async def over_websocket(web: WebProcess, cookies: str, turn_id: UUID) -> AsyncIterator[Kinds]:
    """Follow a turn over a socket of its own; yield the kinds of its events."""
    async with web.socket("acme", cookies) as socket:
        assert json.loads(await socket.recv())["type"] == "ready"
        await socket.send(json.dumps({"type": "watch", "turn_id": str(turn_id), "after": None}))

        async def kinds() -> Kinds:
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "event":
                    yield frame["event"]["kind"]

        yield kinds()


@asynccontextmanager
async def over_sse(web: WebProcess, cookies: str, turn_id: UUID) -> AsyncIterator[Kinds]:
    """Follow a turn as server-sent events; yield the kinds of its events."""
    headers = {"Host": f"acme.localhost:{web.port}", "Cookie": cookies}
    url = f"http://127.0.0.1:{web.port}/api/v1/turns/{turn_id}/events"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()

        async def kinds() -> Kinds:
            async for line in answer.content:
                if line.startswith(b"event: "):
                    yield line.removeprefix(b"event: ").decode().strip()

        yield kinds()


@pytest.fixture
def cookies(committed: World, people: People, browser_of: BrowserOf) -> str:
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={browser_of(people.ann, committed.acme).cookies[name].value}"


async def until_the_end(kinds: Kinds) -> int:
    count = 0
    async for kind in kinds:
        count += kind == "delta"
        if kind == "done":
            return count
    raise AssertionError("the stream ended without its end")


async def asked(web: WebProcess, cookies: str) -> float:
    """Ask a page that needs the database; return the seconds it took."""
    headers = {"Host": f"acme.localhost:{web.port}", "Cookie": cookies}
    started = time.perf_counter()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{web.port}/api/v1/me", headers=headers) as answer,
    ):
        assert answer.status == 200
        await answer.read()
    return time.perf_counter() - started


@pytest.fixture(scope="module")
def small_web(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """A web process with a pool of ten connections."""
    extra = {"DJANGO_SETTINGS_MODULE": "tests.system.small_pool"}
    with running_web(tmp_path_factory.mktemp("small"), extra) as web:
        yield web


@pytest.mark.parametrize("transport", [over_websocket, over_sse])
async def test_two_hundred_streams_leave_a_pool_of_ten_to_everybody_else(
    committed: World,
    people: People,
    actor_in: ActorIn,
    cookies: str,
    small_web: WebProcess,
    transport: Transport,
) -> None:
    acme = committed.acme
    with scope.tenant_scope(acme):
        sent = await tenant_db(lambda: send(actor=actor_in(people.ann, acme), tenant=acme))
        # Daphne sends an answer's headers with its first bytes, so there must be some.
        writer = TurnWriter(sent.turn_id, 1)
        await writer.event(StartEvent(attempt=1, model="echo/plain"))
        async with AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(transport(small_web, cookies, sent.turn_id))
                for _ in range(STREAMS)
            ]
            following = [asyncio.create_task(until_the_end(each)) for each in streams]
            seconds = []
            for number in range(PIECES):
                await writer.event(DeltaEvent(attempt=1, text=f"word{number} "))
                seconds.append(await asked(small_web, cookies))
            end = DoneEvent(attempt=1, message_id=sent.turn_id, finish_reason="stop")
            await tenant_db(append_end, sent.turn_id, end)
            async with asyncio.timeout(30):
                deltas = await asyncio.gather(*following)

    assert set(deltas) == {PIECES}
    # Whoever waits for a connection that a stream holds waits for the pool, far longer than this.
    assert sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] < 5, seconds


@asynccontextmanager
async def deaf_clients(
    web: WebProcess, cookies: str, turn_id: UUID, *, count: int
) -> AsyncIterator[None]:
    """Hold clients that ask for a turn and then never read a byte of it."""
    watch = json.dumps({"type": "watch", "turn_id": str(turn_id), "after": None})
    deaf = [await web.socket("acme", cookies) for _ in range(count)]
    try:
        for each in deaf:
            await each.send(watch)
            each.transport.pause_reading()
        yield
    finally:
        for each in deaf:
            each.transport.abort()


async def test_a_client_that_never_reads_costs_less_than_five_megabytes(
    committed: World, people: People, actor_in: ActorIn, cookies: str, tmp_path: Path
) -> None:
    acme = committed.acme
    piece = DeltaEvent(attempt=1, text="x" * 16_384)
    with scope.tenant_scope(acme):
        sent = await tenant_db(lambda: send(actor=actor_in(people.ann, acme), tenant=acme))
        writer = TurnWriter(sent.turn_id, 1)
        with running_web(tmp_path) as web:
            process = psutil.Process(web.process.pid)
            # Whatever is loaded and allocated once is there before it is measured: the process
            # has had a deaf client already, past every bound that there is for one.
            async with deaf_clients(web, cookies, sent.turn_id, count=1):
                for _ in range(WARMING_PIECES):
                    await writer.event(piece)
                await asked(web, cookies)
            # The allocator's own noise is of some megabytes, however many clients there are.
            async with deaf_clients(web, cookies, sent.turn_id, count=DEAF):
                before = most = process.memory_info().rss
                for _ in range(3_200):  # 50 MB
                    await writer.event(piece)
                    most = max(most, process.memory_info().rss)
                await asked(web, cookies)
                most = max(most, process.memory_info().rss)

    each_mb = (most - before) / DEAF / 1e6
    print(f"{each_mb:.2f} MB each")  # noqa: T201  # shown with -rP and when it fails
    assert each_mb < 5
