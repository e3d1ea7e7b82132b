"""Other tabs and other people learn what changed; presence and typing reach who is there."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.conversations import consumers, selectors, services
from apps.conversations.contracts import ConversationOptions
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.notices import notices_key
from apps.conversations.permissions import CHAT
from apps.conversations.rendering import as_json
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.work import Connect

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(worker: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, worker.acme)


@pytest.fixture
def ann_actor(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


def view_of(conversation_id: UUID, actor: Actor) -> dict[str, Any]:
    return as_json(
        selectors.get_conversation_view(
            actor=actor, conversation_id=conversation_id, permission=CHAT
        )
    )


async def test_a_second_tab_hears_of_a_message_and_its_answer(
    worker: World, ann: Client, ann_actor: Actor, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as one, connect(ann, worker.acme) as two:
        await one.receive()
        ready = await two.receive()
        await two.send(type="follow", after=ready["cursor"])
        await one.send(
            type="message", ref="r", client_message_id="m", text="hello", model="echo/plain"
        )
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["notice"].get("conversation", {}).get("active_turn_id", 1):
            frames.append(await two.receive(20))

    kinds = [frame["notice"]["kind"] for frame in frames]
    assert set(kinds) == {"message", "turn", "conversation"}
    versions = [frame["notice"]["version"] for frame in frames]
    assert versions == sorted(versions)
    with scope.tenant_scope(worker.acme):
        last = frames[-1]["notice"]["conversation"]
        assert last == await tenant_db(view_of, UUID(last["id"]), ann_actor)


async def test_a_client_that_comes_back_gets_the_notices_it_missed_and_no_others(
    worker: World, ann: Client, ann_actor: Actor, connect: Connect
) -> None:
    def rename(title: str, conversation_id: UUID | None) -> UUID:
        with scope.actor_scope(ann_actor), scope.correlation_scope():
            options = ConversationOptions(title=title)
            if conversation_id is None:
                return services.start_conversation(
                    actor=ann_actor, permission=CHAT, options=options
                ).id
            return services.configure_conversation(
                actor=ann_actor, conversation_id=conversation_id, permission=CHAT, options=options
            ).id

    with scope.tenant_scope(worker.acme):
        here = await tenant_db(rename, "first", None)
        async with connect(ann, worker.acme) as socket:
            cursor = (await socket.receive())["cursor"]
        await tenant_db(rename, "second", here)
        await tenant_db(rename, "third", here)
        async with connect(ann, worker.acme) as socket:
            await socket.receive()
            await socket.send(type="follow", after=cursor)
            titles = [
                (await socket.receive())["notice"]["conversation"]["title"] for _two in range(2)
            ]

    assert titles == ["second", "third"]


async def test_a_cursor_whose_notices_are_gone_is_told_so(
    worker: World, people: People, ann: Client, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="follow", after="1-1")
        assert await socket.receive() == {"type": "cursor", "turn_id": None, "problem": "gap"}


def test_notices_go_to_those_who_may_see_and_to_nobody_else(
    committed: World, people: People, ann_actor: Actor
) -> None:
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        with scope.actor_scope(ann_actor):
            here = services.start_conversation(actor=ann_actor, permission=CHAT).id
        streams = redis_client(RedisRole.STREAMS)
        assert streams.exists(notices_key(people.ann))
        assert not streams.exists(notices_key(people.bea))
        Participant.objects.create(conversation_id=here, user_id=people.bea, added_by=people.ann)
        with scope.actor_scope(ann_actor):
            services.configure_conversation(
                actor=ann_actor,
                conversation_id=here,
                permission=CHAT,
                options=ConversationOptions(title="ours"),
            )
        assert streams.xlen(notices_key(people.bea)) == 1
    with scope.tenant_scope(committed.globex):
        assert not redis_client(RedisRole.STREAMS).exists(notices_key(people.bea))


async def test_people_in_one_conversation_see_each_other_come_write_and_go(
    worker: World,
    people: People,
    ann: Client,
    ann_actor: Actor,
    browser_of: BrowserOf,
    connect: Connect,
) -> None:
    def shared() -> UUID:
        conversation = Conversation.objects.create(owner_id=people.ann)
        Participant.objects.create(
            conversation=conversation, user_id=people.bea, added_by=people.ann
        )
        return conversation.pk

    with scope.tenant_scope(worker.acme):
        here = str(await tenant_db(shared))
        bea = await tenant_db(browser_of, people.bea, worker.acme)
    async with connect(ann, worker.acme) as one:
        await one.receive()
        await one.send(type="focus", conversation_id=here)
        async with connect(bea, worker.acme) as two:
            await two.receive()
            await two.send(type="focus", conversation_id=here)
            came = await one.receive()
            met = await two.receive()
            await two.send(type="typing", conversation_id=here)
            # Who came may be said twice, when both come at the same moment.
            writes = (await one.receive_until(type="typing"))[-1]
        left = await one.receive()

    assert (came["type"], came["present"], came["user"]["id"]) == (
        "presence",
        True,
        str(people.bea),
    )
    assert (met["type"], met["user"]["id"]) == ("presence", str(people.ann))
    assert (writes["type"], writes["user"]["id"]) == ("typing", str(people.bea))
    assert (left["type"], left["present"]) == ("presence", False)


async def test_who_is_removed_neither_stays_in_the_room_nor_reads_the_answer_on(
    worker: World,
    people: People,
    ann: Client,
    browser_of: BrowserOf,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shared() -> UUID:
        conversation = Conversation.objects.create(owner_id=people.ann)
        Participant.objects.create(
            conversation=conversation, user_id=people.bea, added_by=people.ann
        )
        return conversation.pk

    monkeypatch.setattr(consumers, "_SESSION_CHECK_S", 0.2)
    with scope.tenant_scope(worker.acme):
        here = str(await tenant_db(shared))
        bea = await tenant_db(browser_of, people.bea, worker.acme)
    async with connect(ann, worker.acme) as one, connect(bea, worker.acme) as two:
        await one.send(type="focus", conversation_id=here)
        await two.send(type="focus", conversation_id=here)
        await one.send(
            type="message",
            ref="r",
            client_message_id="m",
            conversation_id=here,
            text="!delay 0.05\n!tokens 100",
            model="echo/plain",
        )
        turn_id = (await one.receive_until(type="accepted"))[-1]["turn_id"]
        await two.send(type="watch", turn_id=turn_id)
        await two.receive_until(type="event")

        with scope.tenant_scope(worker.acme):
            await tenant_db(Participant.objects.all().delete)
        await one.receive_until(type="presence", present=False)
        await two.send(type="ping")
        await two.receive_until(type="pong")
        answer = await one.receive_answer()
        await two.send(type="ping")
        late = await two.receive_until(type="pong")

    assert answer[-1]["event"]["kind"] == "done"
    assert [frame["type"] for frame in late] == ["pong"]


async def test_nobody_looks_into_a_conversation_that_is_not_theirs(
    worker: World, ann: Client, people: People, connect: Connect
) -> None:
    with scope.tenant_scope(worker.acme):
        other = await tenant_db(
            lambda: Conversation.objects.create(owner_id=people.bea).pk,
        )
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="focus", conversation_id=str(other))
        answer = await socket.receive()

    assert answer["error"]["type"] == "conversation_not_found"
