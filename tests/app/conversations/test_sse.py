"""Server-sent events and the chat runtime: the same stream over plain HTTP."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings
from django.test import Client

from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.stream import stream_key
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.ids import new_id
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]


CSRF = "c" * 32


class Page:
    """A page of acme in a person's browser, asking the whole ASGI application."""

    def __init__(self, browser: Client, *, csrf: str = CSRF) -> None:
        name = settings.SESSION_COOKIE_NAME
        cookies = f"{name}={browser.cookies[name].value}; {settings.CSRF_COOKIE_NAME}={CSRF}"
        self._headers = {"host": "acme.localhost", "cookie": cookies, "x-csrftoken": csrf}

    async def get(self, path: str, headers: dict[str, str] | None = None) -> "Answer":
        return await self._ask("GET", path, b"", headers or {})

    async def post(self, path: str, body: dict[str, Any] | bytes) -> "Answer":
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._ask("POST", path, data, {"content-type": "application/json"})

    async def _ask(self, method: str, path: str, body: bytes, more: dict[str, str]) -> "Answer":
        from karen_site.asgi import application  # sets the web role; only where it is needed

        headers = {**self._headers, **more, "content-length": str(len(body))}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        asked = HttpCommunicator(application, method, path, body=body, headers=raw)
        await asked.send_input({"type": "http.request", "body": body})
        start = await asked.receive_output(timeout=30)
        content, more_body = b"", True
        while more_body:
            chunk = await asked.receive_output(timeout=30)
            content += chunk.get("body", b"")
            more_body = chunk.get("more_body", False)
        await asked.wait()  # the application closes what it opened
        return Answer(start, content)


class Answer:
    def __init__(self, start: dict[str, Any], content: bytes) -> None:
        self.status_code: int = start["status"]
        self.content = content
        self.headers = {name.lower().decode(): value.decode() for name, value in start["headers"]}

    def json(self) -> Any:
        return json.loads(self.content)

    def events(self) -> list[dict[str, Any]]:
        """Parse the stream as a browser's EventSource does."""
        assert self.status_code == 200, self.content
        assert self.headers["content-type"] == "text/event-stream"
        blocks = [block for block in self.content.decode().split("\n\n") if block]
        parsed = [
            dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            for block in blocks
        ]
        return [{**fields, "data": json.loads(fields["data"])} for fields in parsed if fields]


@pytest.fixture
def ann(worker: World, people: People, browser_of: BrowserOf) -> Page:
    return Page(browser_of(people.ann, worker.acme))


@pytest.fixture
def ann_actor(worker: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, worker.acme)


def text_in(events: list[dict[str, Any]]) -> str:
    text = ""
    for event in events:
        match event["event"]:
            case "start" | "snapshot":
                text = event["data"]["text"]
            case "delta":
                text += event["data"]["text"]
    return text


async def sent(actor: Actor, tenant: TenantRef, text: str) -> UUID:
    def one() -> UUID:
        return send(actor=actor, tenant=tenant, text=text).turn_id

    with scope.tenant_scope(tenant):
        return await tenant_db(one)


async def answer_text(tenant: TenantRef) -> str:
    with scope.tenant_scope(tenant):
        return await tenant_db(lambda: Message.objects.get(role="assistant").text)


async def test_a_turn_is_streamed_with_ids_and_one_end(
    worker: World, ann: Page, ann_actor: Actor
) -> None:
    turn_id = await sent(ann_actor, worker.acme, "!delay 0.01\n!tokens 40")

    events = (await ann.get(f"/api/v1/turns/{turn_id}/events")).events()

    assert events[0]["event"] == "start"
    assert events[-1]["event"] == "done"
    assert all(e["id"] for e in events)
    assert text_in(events) == await answer_text(worker.acme)


async def test_whoever_comes_back_with_the_last_id_gets_the_rest_and_nothing_twice(
    worker: World, ann: Page, ann_actor: Actor
) -> None:
    turn_id = await sent(ann_actor, worker.acme, "!delay 0.01\n!tokens 40")
    whole = (await ann.get(f"/api/v1/turns/{turn_id}/events")).events()

    for place in range(0, len(whole) - 1, 3):
        answer = await ann.get(
            f"/api/v1/turns/{turn_id}/events", headers={"last-event-id": whole[place]["id"]}
        )
        rest = answer.events()
        assert [e["id"] for e in rest] == [e["id"] for e in whole[place + 1 :]]


async def test_an_expired_stream_is_answered_from_the_database(
    worker: World, ann: Page, ann_actor: Actor
) -> None:
    turn_id = await sent(ann_actor, worker.acme, "one two")
    first = (await ann.get(f"/api/v1/turns/{turn_id}/events")).events()
    with scope.tenant_scope(worker.acme):
        redis_client(RedisRole.STREAMS).delete(stream_key(turn_id))

    for headers in ({}, {"last-event-id": first[0]["id"]}):
        events = (await ann.get(f"/api/v1/turns/{turn_id}/events", headers=headers)).events()
        assert [e["event"] for e in events] == ["start", "snapshot", "done"]
        assert text_in(events) == await answer_text(worker.acme)


@pytest.mark.parametrize("after", ["x", "1", "-", "1-1-1", "9" * 40 + "-0"])
async def test_a_cursor_that_is_none_is_refused(
    worker: World, ann: Page, ann_actor: Actor, after: str
) -> None:
    turn_id = await sent(ann_actor, worker.acme, "x")
    answer = await ann.get(f"/api/v1/turns/{turn_id}/events?after={after}")

    assert answer.status_code == 400
    assert "after" in answer.json()["error"]["details"]["fields"]


async def test_the_runtime_answers_with_the_whole_answer(worker: World, ann: Page) -> None:
    body = {"message": "one two three", "model": "echo/plain", "client_message_id": "r1"}
    answer = await ann.post("/api/chat/runtime", body)
    again = await ann.post("/api/chat/runtime", body)

    assert answer.status_code == 200, answer.content
    document = answer.json()
    assert document["turn"]["state"] == "completed"
    assert document["message"]["text"] == await answer_text(worker.acme)
    assert again.json()["message"] == document["message"]
    assert not again.json()["accepted"]["created"]


async def test_the_runtime_streams_receipt_and_answer(worker: World, ann: Page) -> None:
    answer = await ann.post(
        "/api/chat/runtime/stream",
        {"message": "!tokens 20", "model": "echo/plain"},
    )
    events = answer.events()

    assert events[0]["event"] == "accepted"
    assert events[-1]["event"] == "done"
    assert text_in(events) == await answer_text(worker.acme)


async def test_a_failed_answer_is_a_200_with_a_failed_turn(worker: World, ann: Page) -> None:
    answer = await ann.post(
        "/api/chat/runtime",
        {"message": "!error rejected", "model": "echo/plain"},
    )

    assert answer.status_code == 200
    assert answer.json()["turn"]["state"] == "failed"
    assert answer.json()["turn"]["error"]["message"]


@pytest.mark.parametrize("body", ["", "[]", "{", '{"message": 7}', '{"message": "x", "model": ""}'])
async def test_a_body_that_does_not_fit_is_refused_with_a_reason(
    worker: World, ann: Page, body: str
) -> None:
    answer = await ann.post("/api/chat/runtime", body.encode())

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_input"


async def test_a_foreign_page_cannot_ask_in_a_persons_name(
    worker: World, people: People, browser_of: BrowserOf
) -> None:
    with scope.tenant_scope(worker.acme):
        browser = await tenant_db(browser_of, people.ann, worker.acme)
    answer = await Page(browser, csrf="w" * 32).post("/api/chat/runtime", {"message": "x"})

    assert answer.status_code == 403
    with scope.tenant_scope(worker.acme):
        assert await tenant_db(Turn.objects.count) == 0


async def test_an_unknown_turn_is_404_before_the_stream_begins(worker: World, ann: Page) -> None:
    answer = await ann.get(f"/api/v1/turns/{new_id()}/events")

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "turn_not_found"
