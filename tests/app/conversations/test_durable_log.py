"""What a killed Redis, a killed worker and a repeated command may not do to an answer."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import Client

from apps.conversations.contracts import (
    CancelledEvent,
    DoneEvent,
    StartEvent,
    TurnEvent,
    TurnOutcome,
    TurnState,
)
from apps.conversations.domain.snapshot import AnswerSnapshot, apply
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.services import attempts
from apps.conversations.services.attempts import claim_turn, finish_turn, save_partial
from apps.conversations.services.turns import recover_turn
from apps.conversations.stream import FIELD, TurnWriter, append_end, logged, read_after, stream_key
from apps.conversations.watching import START
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import tenant_db
from apps.core.ids import new_id
from apps.core.redis import RedisRole, async_redis, redis_client
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import Lease, OutboxEntry
from apps.jobs.reaper import reap_leases
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.work import Connect

T = TypeVar("T")
ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]


async def shown(turn_id: UUID) -> str:
    """Return what a client shows that reads the whole log now."""
    snapshot = AnswerSnapshot()
    for event in await read_after(stream_key(turn_id), START, count=1000):
        snapshot = apply(snapshot, event.order, event.decode())
    return snapshot.text


async def written(turn_id: UUID, *pieces: str) -> TurnWriter:
    writer = TurnWriter(turn_id, 1)
    await writer.event(StartEvent(attempt=1, model="stub/len=3"))
    for piece in pieces:
        await writer.delta(piece)
        await writer._write_locked()
    return writer


def forget_last(turn_id: UUID) -> None:
    """Do to the log what a crash does: the last second is gone."""
    last = logged(redis_client(RedisRole.STREAMS).xrevrange(stream_key(turn_id), count=1))
    redis_client(RedisRole.STREAMS).xdel(stream_key(turn_id), last[0].id)


async def test_what_a_crash_of_redis_forgot_is_mended_at_the_next_word(committed: World) -> None:
    turn_id = new_id()
    with scope.tenant_scope(committed.acme):
        writer = await written(turn_id, "one ", "two ")
        forget_last(turn_id)
        await writer.delta("three ")
        await writer._write_locked()
        mended = await shown(turn_id)
        await writer.delta("four")
        await writer.close("one two three four")

        assert mended == "one two three "
        assert await shown(turn_id) == "one two three four"


async def test_what_was_forgotten_after_the_last_word_is_mended_by_the_end(
    committed: World,
) -> None:
    turn_id = new_id()
    with scope.tenant_scope(committed.acme):
        writer = await written(turn_id, "one ", "two ")
        await writer.delta("three")
        forget_last(turn_id)
        await writer.close("one two three")

        assert await shown(turn_id) == "one two three"


async def test_a_word_that_a_repeated_command_wrote_twice_is_mended(committed: World) -> None:
    turn_id = new_id()
    with scope.tenant_scope(committed.acme):
        writer = await written(turn_id, "one ", "two ")
        client, key = redis_client(RedisRole.STREAMS), stream_key(turn_id)
        last = logged(client.xrevrange(key, count=1))
        client.xadd(key, {FIELD: last[0].payload})
        await writer.delta("three")
        await writer.close("one two three")

        assert await shown(turn_id) == "one two three"


async def test_a_turn_ends_once_however_often_its_end_is_announced(committed: World) -> None:
    turn_id = new_id()
    with scope.tenant_scope(committed.acme):
        await written(turn_id, "one")
        ends: list[TurnEvent] = [
            DoneEvent(attempt=1, message_id=turn_id, finish_reason="stop"),
            CancelledEvent(attempt=1, message_id=turn_id),
        ]
        announced = await asyncio.gather(
            *(tenant_db(append_end, turn_id, ends[number % 2]) for number in range(20))
        )
        events = await read_after(stream_key(turn_id), START, count=100)

    assert all(announced)
    assert [event.decode().kind for event in events].count("done") <= 1
    assert sum(event.decode().kind in {"done", "cancelled"} for event in events) == 1


async def test_a_reader_that_lost_redis_sends_its_clients_to_the_database(
    committed: World, people: People, actor_in: ActorIn, browser_of: BrowserOf, connect: Connect
) -> None:
    ann = await tenant_browser(browser_of, people.ann, committed.acme)
    sent = await in_tenant(
        committed.acme,
        lambda: send(actor=actor_in(people.ann, committed.acme), tenant=committed.acme),
    )
    before = readers()  # what tests before this one left
    async with connect(ann, committed.acme) as socket:
        await socket.receive()
        await socket.send(type="watch", turn_id=str(sent.turn_id), after=None)
        await socket.send(type="ping")
        await socket.receive()
        async with asyncio.timeout(5):
            while not (reading := await in_tenant(committed.acme, readers) - before):
                pass
        # For the reader this is what a crash looks like, and Redis is back at once.
        for identifier in reading:
            redis_client(RedisRole.STREAMS).client_kill_filter(_id=identifier)
        frame = await socket.receive()

    assert (frame["type"], frame["problem"]) == ("cursor", "gap")


def readers() -> set[str]:
    """Return the connections that wait for events now."""
    streams = redis_client(RedisRole.STREAMS)
    own = str(streams.connection_pool.connection_kwargs["db"])  # others test beside us
    return {
        client["id"]
        for client in streams.client_list()
        if client["cmd"] == "xread" and client["db"] == own
    }


async def in_tenant(tenant: TenantRef, call: Callable[[], T]) -> T:
    with scope.tenant_scope(tenant):
        return await tenant_db(call)


async def tenant_browser(browser_of: BrowserOf, user: UUID, tenant: TenantRef) -> Client:
    with scope.tenant_scope(tenant):
        return await tenant_db(browser_of, user, tenant)


@pytest.fixture
def waiting(committed: World, people: People, actor_in: ActorIn) -> Turn:
    """A turn whose message nobody took: there is no worker."""
    sent = send(actor=actor_in(people.ann, committed.acme), tenant=committed.acme)
    with scope.tenant_scope(committed.acme):
        return Turn.objects.get(pk=sent.turn_id)


def outdate_lease() -> None:
    Lease.objects.update(until=now() - timedelta(seconds=1))


def make_queue_older(seconds: float) -> None:
    """Have the workers be behind: what waits was sent so long ago."""
    client = redis_client(RedisRole.BROKER)
    for place, text in enumerate(client.lrange("chat", 0, -1)):
        message = json.loads(text)
        message["headers"]["karen_sent_at"] -= seconds
        client.lset("chat", place, json.dumps(message))


def test_a_message_that_was_lost_is_not_mistaken_for_younger_ones(
    committed: World, people: People, actor_in: ActorIn, waiting: Turn
) -> None:
    redis_client(RedisRole.BROKER).flushdb()
    outdate_lease()
    send(actor=actor_in(people.ann, committed.acme), tenant=committed.acme)
    assert queued_messages() == 1

    reap_leases()

    assert queued_messages() == 2


def queued_messages() -> int:
    return int(redis_client(RedisRole.BROKER).llen("chat"))


def test_a_message_that_the_broker_lost_is_enqueued_again_within_seconds(
    committed: World, waiting: Turn
) -> None:
    redis_client(RedisRole.BROKER).flushdb()
    lease = Lease.objects.get()
    assert lease.until - now() < timedelta(seconds=10)

    outdate_lease()
    reap_leases()

    assert queued_messages() == 1
    assert not OutboxEntry.objects.exists()


def test_a_message_that_waits_for_a_busy_worker_is_not_enqueued_twice(
    committed: World, waiting: Turn
) -> None:
    make_queue_older(20)
    for _ in range(3):
        outdate_lease()
        assert reap_leases() == 1

    assert queued_messages() == 1
    assert Lease.objects.count() == 1


def test_a_turn_that_waited_longer_than_its_message_lives_is_enqueued_again(
    committed: World, waiting: Turn
) -> None:
    with scope.tenant_scope(committed.acme):
        Turn.objects.update(created_at=now() - timedelta(seconds=100))
    make_queue_older(100)
    outdate_lease()
    reap_leases()

    assert queued_messages() == 2
    assert Lease.objects.get().until - now() > timedelta(seconds=60)


def test_a_deleted_turn_needs_no_recovery(committed: World, waiting: Turn) -> None:
    with scope.tenant_scope(committed.acme):
        Message.objects.all().delete()
        with transaction.atomic():
            recover_turn(waiting.pk)

        assert not Turn.objects.filter(state=TurnState.QUEUED).exists()


async def test_an_end_that_somebody_else_announces_brings_the_whole_text(
    committed: World, waiting: Turn
) -> None:
    """The worker died between the database and the log: what reached the log, nobody knows."""
    with scope.tenant_scope(committed.acme):
        await written(waiting.pk, "one ")
        await tenant_db(ended_in_the_database, waiting, "one two three")
        await tenant_db(recovered, waiting)

        assert await shown(waiting.pk) == "one two three"
        events = await read_after(stream_key(waiting.pk), START, count=100)
    assert events[-1].decode().kind == "done"


def ended_in_the_database(turn: Turn, text: str) -> None:
    Turn.objects.filter(pk=turn.pk).update(state=TurnState.COMPLETED, attempt=1)
    Message.objects.filter(pk=turn.answer_id).update(parts=[{"type": "text", "text": text}])


def recovered(turn: Turn) -> None:
    with transaction.atomic():
        recover_turn(turn.pk)


def test_an_end_that_redis_could_not_take_is_told_as_soon_as_it_is_back(
    committed: World, waiting: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scope.tenant_scope(committed.acme):
        claimed = claim_turn(turn_id=waiting.pk, owner="w", lease_ttl_s=60)
        assert claimed is not None
        with monkeypatch.context() as away:
            away.setattr(attempts, "append_end", lambda *_args, **_options: False)
            finish_turn(claimed=claimed, outcome=TurnOutcome(state=TurnState.COMPLETED, text="one"))
    assert Lease.objects.get().until - now() < timedelta(seconds=3)

    outdate_lease()
    assert reap_leases() == 1

    with scope.tenant_scope(committed.acme):
        events = logged(redis_client(RedisRole.STREAMS).xrange(stream_key(waiting.pk)))
    assert events[-1].decode().kind == "done"
    assert not Lease.objects.exists()


async def test_two_hundred_answers_are_written_at_once_in_order(committed: World) -> None:
    """The library's pool of connections refuses the hundred and first command at once."""
    with scope.tenant_scope(committed.acme):
        turns = [new_id() for _ in range(200)]
        writers = await asyncio.gather(*(written(turn, "one ", "two ") for turn in turns))
        await asyncio.gather(*(writer.delta("three") for writer in writers))
        await asyncio.gather(*(writer.close("one two three") for writer in writers))
        texts = [await shown(turn) for turn in turns]
        kinds = [
            event.decode().kind
            for turn in turns
            for event in await read_after(stream_key(turn), START, count=100)
        ]

    assert set(texts) == {"one two three"}
    assert "snapshot" not in kinds


async def test_more_callers_than_connections_wait_for_one(committed: World) -> None:
    client = async_redis(RedisRole.STREAMS)

    assert all(await asyncio.gather(*(client.ping() for _ in range(300))))


def test_an_interim_copy_that_comes_late_does_not_undo_the_answer(
    committed: World, waiting: Turn
) -> None:
    """The copy waits for the end of the turn, and must then see that it ended."""
    with scope.tenant_scope(committed.acme):
        claimed = claim_turn(turn_id=waiting.pk, owner="w", lease_ttl_s=60)
        assert claimed is not None
        late = ThreadPoolExecutor(1)
        with transaction.atomic():
            Turn.objects.filter(pk=waiting.pk).update(state=TurnState.COMPLETED)
            Message.objects.filter(pk=waiting.answer_id).update(parts=_parts("one two"))
            call = partial(save_partial, claimed=claimed, text="one")
            saved = late.submit(copy_context().run, _closing(call))
            while not _somebody_waits_for_a_lock():
                assert not saved.done()

        assert saved.result(timeout=10) is False
        assert Message.objects.get(pk=waiting.answer_id).text == "one two"
        late.shutdown()


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _closing(call: Callable[[], bool]) -> Callable[[], bool]:
    def closed() -> bool:
        try:
            return call()
        finally:
            connection.close()

    return closed


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        row = cursor.fetchone()
    return bool(row and row[0])
