"""Tools as somebody at a socket sees them, with a real worker."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.work import Connect

BrowserOf = Callable[[UUID, TenantRef | None], Client]

CALC = '!tool calculator {"expression": "6*7"}'


@pytest.fixture
def ann(worker: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, worker.acme)


async def test_a_socket_sees_the_call_while_it_runs(
    worker: World, ann: Client, connect: Connect
) -> None:
    async with connect(ann, worker.acme) as socket:
        await socket.receive()
        await socket.send(type="message", client_message_id="m", text=CALC, model="echo/plain")
        frames = await socket.receive_answer()
    events = [frame["event"] for frame in frames if frame["type"] == "event"]
    kinds = [event["kind"] for event in events]
    assert kinds.count("tool") == 2
    assert kinds[-1] == "done"
    assert "42" in "".join(e["text"] for e in events if e["kind"] == "delta")
