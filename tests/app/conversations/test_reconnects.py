"""A hundred broken connections, a thousand in `make soak`: every event once, in order."""

import asyncio
import random
from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.conversations.contracts import DoneEvent, StartEvent
from apps.conversations.stream import TurnWriter, append_end, read_after, stream_key
from apps.conversations.watching import START
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.work import Connect

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]

CLIENTS, WORDS = 20, 300


async def write_answer(turn_id: UUID, go_on: asyncio.Event) -> None:
    """Write an answer as a worker does, one word whenever somebody came back."""
    writer = TurnWriter(turn_id, 1)
    await writer.event(StartEvent(attempt=1, model="stub/len=300"))
    words = [f"word{number} " for number in range(WORDS)]
    for word in words:
        await go_on.wait()
        go_on.clear()
        await writer.delta(word)
        await writer._write_locked()
    await writer.close("".join(words))
    end = DoneEvent(attempt=1, message_id=turn_id, finish_reason="stop")
    await tenant_db(append_end, turn_id, end)


async def follow(
    client: Client,
    tenant: TenantRef,
    connect: Connect,
    turn_id: UUID,
    go_on: asyncio.Event,
    most: int,
) -> tuple[list[str], int]:
    """Read the answer, breaking the connection at random points; return ids and reconnects."""
    chance = random.Random(client.cookies.output())
    ids: list[str] = []
    reconnects, ended = 0, False
    while not ended:
        async with connect(client, tenant) as socket:
            await socket.receive()
            after = ids[-1] if ids else None
            await socket.send(type="watch", turn_id=str(turn_id), after=after)
            left = chance.randrange(1, 9)
            while not ended and (left > 0 or reconnects >= most):
                go_on.set()
                frame = await socket.receive()
                assert frame["type"] == "event", frame
                ids.append(frame["id"])
                left -= 1
                ended = frame["event"]["kind"] == "done"
                if len(ids) % 32 == 0 or ended:
                    await socket.send(type="ack", turn_id=str(turn_id), id=ids[-1])
        reconnects += 1
    return ids, reconnects


@pytest.mark.parametrize("each", [5, pytest.param(50, marks=pytest.mark.soak)])
async def test_after_many_reconnects_nobody_misses_an_event_or_has_one_twice(
    committed: World,
    people: People,
    actor_in: ActorIn,
    browser_of: BrowserOf,
    connect: Connect,
    each: int,
) -> None:
    acme, go_on = committed.acme, asyncio.Event()
    with scope.tenant_scope(acme):
        sent = await tenant_db(lambda: send(actor=actor_in(people.ann, acme), tenant=acme))
        browsers = [await tenant_db(browser_of, people.ann, acme) for _ in range(CLIENTS)]
        writing = asyncio.create_task(write_answer(sent.turn_id, go_on))
        followed = await asyncio.gather(
            *(follow(browser, acme, connect, sent.turn_id, go_on, each) for browser in browsers)
        )
        await writing
        events = await read_after(stream_key(sent.turn_id), START, count=2 * WORDS)

    log = [event.id for event in events]
    assert len(log) > WORDS
    assert sum(reconnects for _, reconnects in followed) >= CLIENTS * each
    for ids, _ in followed:
        assert ids == log
