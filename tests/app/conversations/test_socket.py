"""The chat socket: who may open it, what it answers, how it resumes."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from apps.conversations.models.messages import Message
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.work import Connect, text_of

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]


NOBODYS = str(UUID(int=1))
MESSAGE = {"type": "message", "client_message_id": "m", "text": "x"}


@pytest.fixture
def ann(worker: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, worker.acme)


def stored_answer() -> Message:
    return Message.objects.get(role="assistant")


async def close_code(headers: dict[bytes, bytes]) -> int:
    from karen_site.asgi import application  # sets the web role; only where it is needed

    socket = WebsocketCommunicator(application, "/ws/chat/", headers=list(headers.items()))
    await socket.connect(timeout=5)
    message = await socket.receive_output(timeout=5)
    assert message["type"] == "websocket.close", message
    return int(message["code"])


def headers_of(client: Client | None, host: str, origin: str | None = None) -> dict[bytes, bytes]:
    headers = {b"host": host.encode(), b"origin": (origin or f"http://{host}").encode()}
    if client is not None:
        name = settings.SESSION_COOKIE_NAME
        headers[b"cookie"] = f"{name}={client.cookies[name].value}".encode()
    return headers


async def test_an_anonymous_socket_is_closed_with_4401(worker: World) -> None:
    assert await close_code(headers_of(None, "acme.localhost")) == 4401


async def test_a_session_of_another_tenant_is_closed_with_4401(worker: World, ann: Client) -> None:
    assert await close_code(headers_of(ann, "globex.localhost")) == 4401


async def test_a_guest_without_chat_is_closed_with_4401(
    worker: World, people: People, browser_of: BrowserOf
) -> None:
    with scope.tenant_scope(worker.acme):
        eve = await tenant_db(browser_of, people.eve, worker.acme)

    assert await close_code(headers_of(eve, "acme.localhost")) == 4401


async def test_an_unknown_host_is_closed_with_4404(worker: World, ann: Client) -> None:
    assert await close_code(headers_of(ann, "nobody.localhost")) == 4404
    assert await close_code(headers_of(ann, "localhost")) == 4404


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://evil.localhost",
        "http://globex.localhost",
        "http://acme.localhost.evil.example",
        "http://acme.localhost:81",
        "null",
        "http://xacme.localhost",
    ],
)
async def test_a_page_of_another_origin_is_closed_with_4403(
    worker: World, ann: Client, origin: str
) -> None:
    assert await close_code(headers_of(ann, "acme.localhost", origin)) == 4403


async def test_a_message_is_answered_word_by_word(
    worker: World, ann: Client, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as socket:
        ready = await socket.receive()
        await socket.send(
            type="message",
            ref="r1",
            client_message_id="m1",
            text="!delay 0.01\n!tokens 30",
            model="echo/plain",
        )
        accepted = await socket.receive()
        frames = await socket.receive_answer()

    assert (ready["type"], ready["user"]["label"]) == ("ready", "Ann")
    assert (accepted["type"], accepted["ref"], accepted["created"]) == ("accepted", "r1", True)
    assert frames[0]["event"]["kind"] == "start"
    assert frames[-1]["event"]["kind"] == "done"
    assert sum(f["event"]["kind"] == "delta" for f in frames) > 3


async def test_a_client_that_was_cut_resumes_behind_the_last_event_it_saw(
    worker: World, ann: Client, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(
            type="message",
            client_message_id="m1",
            text="!delay 0.02\n!tokens 60",
            model="echo/plain",
        )
        accepted = await socket.receive()
        seen = [await socket.receive() for _ in range(4)]

    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="watch", turn_id=accepted["turn_id"], after=seen[-1]["id"])
        rest = await socket.receive_answer()

    ids = [f["id"] for f in seen + rest]
    assert len(ids) == len(set(ids))
    with scope.tenant_scope(worker.acme):
        assert text_of(seen + rest) == (await tenant_db(stored_answer)).text


async def test_the_beginning_of_an_answer_that_is_over_comes_from_the_database(
    worker: World, ann: Client, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(**MESSAGE, model="echo/plain")
        accepted = await socket.receive()
        await socket.receive_answer()
        for after in (None, "0-0"):
            await socket.send(type="watch", turn_id=accepted["turn_id"], after=after)
            answer = await socket.receive()
            assert (answer["type"], answer["problem"]) == ("cursor", "expired")
        await socket.send(**MESSAGE, model="echo/plain")
        again = await socket.receive()
        ended = await socket.receive()

    assert (again["turn_id"], again["created"]) == (accepted["turn_id"], False)
    assert (ended["type"], ended["problem"]) == ("cursor", "expired")


async def test_two_tabs_follow_one_answer(worker: World, ann: Client, connect: Connect) -> None:
    async with connect(ann, worker.acme) as first, connect(ann, worker.acme) as second:
        await first.receive()
        await second.receive()
        await first.send(
            type="message",
            client_message_id="m1",
            text="!delay 0.01\n!tokens 40",
            model="echo/plain",
        )
        accepted = await first.receive()
        await second.send(type="watch", turn_id=accepted["turn_id"], after=None)
        one, two = await first.receive_answer(), await second.receive_answer()

    assert [f["id"] for f in one] == [f["id"] for f in two]


async def test_stop_keeps_the_text_so_far(worker: World, ann: Client, connect: Connect) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(
            type="message",
            client_message_id="m1",
            text="!delay 0.02\n!tokens 2000",
            model="echo/plain",
        )
        accepted = await socket.receive()
        seen = [await socket.receive() for _ in range(3)]
        await socket.send(type="stop", turn_id=accepted["turn_id"])
        rest = await socket.receive_answer()

    assert rest[-1]["event"]["kind"] == "cancelled"
    kept = text_of(seen + rest)
    with scope.tenant_scope(worker.acme):
        stored = await tenant_db(stored_answer)
    assert (stored.status, stored.text) == ("cancelled", kept)
    assert kept


@pytest.mark.parametrize(
    "frame,problem",
    [
        ("not json", "frame_invalid"),
        ("[" * 60_000, "frame_invalid"),
        ({}, "frame_invalid"),
        ({"type": "nonsense"}, "frame_invalid"),
        ({"type": "watch", "turn_id": "1"}, "frame_invalid"),
        ({"type": "watch", "turn_id": NOBODYS, "after": "$"}, "frame_invalid"),
        ({"type": "watch", "turn_id": NOBODYS}, "turn_not_found"),
        ({"type": "stop", "turn_id": NOBODYS}, "turn_not_found"),
        ({**MESSAGE, "text": ""}, "message_empty"),
        ({**MESSAGE, "client_message_id": ""}, "frame_invalid"),
        ({**MESSAGE, "text": "nul \x00"}, "invalid_input"),
        ({**MESSAGE, "client_message_id": "\x00"}, "frame_invalid"),
        ({"type": "watch", "turn_id": NOBODYS, "after": "9" * 20 + "-0"}, "frame_invalid"),
        ({**MESSAGE, "text": "x" * 10_001}, "message_too_long"),
        ({**MESSAGE, "text": "x" * 70_000}, "payload_too_large"),
        ({**MESSAGE, "conversation_id": NOBODYS}, "conversation_not_found"),
    ],
    ids=range(16),
)
async def test_a_bad_frame_gets_an_error_and_the_socket_lives(
    worker: World, ann: Client, connect: Connect, frame: object, problem: str
) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket._communicator.send_to(
            text_data=frame if isinstance(frame, str) else json.dumps(frame)
        )
        answer = await socket.receive()
        await socket.send(type="ping")
        pong = await socket.receive()

    assert (answer["type"], answer["error"]["type"]) == ("error", problem)
    assert answer["error"]["correlation_id"]
    assert pong == {"type": "pong"}


async def test_an_expired_log_sends_the_client_to_the_database(
    worker: World, people: People, actor_in: ActorIn, ann: Client, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="message", client_message_id="m1", text="hi", model="echo/plain")
        accepted = await socket.receive()
        frames = await socket.receive_answer()
        redis_client(RedisRole.STREAMS).flushdb()
        await socket.send(type="watch", turn_id=accepted["turn_id"], after=frames[0]["id"])
        answer = await socket.receive()

    assert (answer["type"], answer["problem"]) == ("cursor", "expired")


async def test_a_turn_of_another_person_cannot_be_watched(
    worker: World, people: People, actor_in: ActorIn, browser_of: BrowserOf, connect: Connect
) -> None:
    with scope.tenant_scope(worker.acme):
        theirs = await tenant_db(
            lambda: send(actor=actor_in(people.ann, worker.acme), tenant=worker.acme)
        )
        bea = await tenant_db(browser_of, people.bea, worker.acme)

    async with connect(bea, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="watch", turn_id=str(theirs.turn_id), after=None)
        answer = await socket.receive()

    assert answer["error"]["type"] == "turn_not_found"


async def test_an_unknown_path_is_closed_with_4404(worker: World, ann: Client) -> None:
    from karen_site.asgi import application  # sets the web role; only where it is needed

    headers = list(headers_of(ann, "acme.localhost").items())
    socket = WebsocketCommunicator(application, "/ws/nope/", headers=headers)
    await socket.connect(timeout=5)
    message = await socket.receive_output(timeout=5)

    assert (message["type"], message["code"]) == ("websocket.close", 4404)
