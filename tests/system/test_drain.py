"""A web process that is told to end sends everybody away first."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed

from apps.conversations.contracts import StartEvent
from apps.conversations.stream import TurnWriter
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.system.web_process import ClientConnection, running_web

pytestmark = pytest.mark.system

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def cookies(committed: World, people: People, browser_of: BrowserOf) -> str:
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={browser_of(people.ann, committed.acme).cookies[name].value}"


async def nobody_listens(opening: Awaitable[ClientConnection]) -> ClientConnection:
    """Return a connection whose client answers nothing any more, not even a close."""
    socket = await opening
    socket.transport.pause_reading()
    return socket


async def goodbye(socket: ClientConnection) -> dict[str, object]:
    """Return the last frame before the connection is closed."""
    last: dict[str, object] = {}
    try:
        while True:
            last = json.loads(await socket.recv())
    except ConnectionClosed:
        return last


async def test_sigterm_names_every_socket_a_moment_to_come_back_at_and_ends_within_seconds(
    committed: World, cookies: str, tmp_path: Path
) -> None:
    with running_web(tmp_path) as web:
        sockets = [await web.socket("acme", cookies) for _ in range(8)]
        for socket in sockets:
            assert json.loads(await socket.recv())["type"] == "ready"
        # Somebody who has opened a socket and is not listening holds the process up for a moment.
        deaf = await nobody_listens(web.socket("acme", cookies))

        web.process.send_signal(signal.SIGTERM)
        frames = await asyncio.gather(*(goodbye(socket) for socket in sockets))
        ready = await platform_db(web.readiness)
        status = await platform_db(web.process.wait, 10)  # seconds; longer is a failure
        deaf.transport.abort()

    assert {frame["type"] for frame in frames} == {"reconnect"}
    moments = {frame["after_ms"] for frame in frames}
    assert len(moments) > 1, "they must not all come back at once"
    assert all(isinstance(each, int) and 500 <= each <= 3_000 for each in moments)
    assert {socket.close_code for socket in sockets} == {1012}
    assert ready in {503, 0}, "nobody new may be sent here"
    assert status == 0


async def test_an_answer_that_is_being_written_is_let_go_without_an_error(
    committed: World, people: People, actor_in: ActorIn, cookies: str, tmp_path: Path
) -> None:
    sent = await platform_db(
        lambda: send(actor=actor_in(people.ann, committed.acme), tenant=committed.acme)
    )
    watch = json.dumps({"type": "watch", "turn_id": str(sent.turn_id), "after": None})
    with running_web(tmp_path) as web:
        sockets = [await web.socket("acme", cookies) for _ in range(8)]
        with scope.tenant_scope(committed.acme):
            writing = asyncio.create_task(write_on(sent.turn_id))
        for socket in sockets:
            await socket.send(watch)
        for socket in sockets:
            while json.loads(await socket.recv())["type"] != "event":
                pass

        web.process.send_signal(signal.SIGTERM)
        frames = await asyncio.gather(*(goodbye(socket) for socket in sockets))
        await platform_db(web.process.wait, 10)
        writing.cancel()

    assert {frame["type"] for frame in frames} == {"reconnect"}
    assert "handler_failed" not in web.log.read_text()


async def write_on(turn_id: UUID) -> None:
    """Write an answer word after word, without an end."""
    writer = TurnWriter(turn_id, 1)
    await writer.event(StartEvent(attempt=1, model="stub/len=3"))
    while True:
        await writer.delta("word ")
        await writer._write_locked()


async def test_readiness_is_off_while_somebody_is_still_being_served(
    committed: World, cookies: str, tmp_path: Path
) -> None:
    with running_web(tmp_path) as web:
        deaf = await nobody_listens(web.socket("acme", cookies))
        listening = await web.socket("acme", cookies)

        web.process.send_signal(signal.SIGTERM)
        await goodbye(listening)

        assert await platform_db(web.readiness) == 503
        for socket in (deaf, listening):
            socket.transport.abort()
