"""AG-UI over real HTTP: runs of threads, decoded by the protocol package's own models."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from ag_ui.core import Message as AguiMessage, RunErrorEvent, RunFinishedEvent
from django.conf import settings
from django.test import Client
from pydantic import TypeAdapter

from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.stream import stream_key
from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.ids import new_id
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import TenantRef
from tests.agui import Shown, decoded
from tests.fixtures.database import World
from tests.fixtures.live import Live, NewKey
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
Says = dict[str, Any]


def said(text: str, message_id: str = "u1") -> Says:
    return {"id": message_id, "role": "user", "content": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A program with somebody's key in a workspace."""

    http: aiohttp.ClientSession
    url: str
    headers: dict[str, str]

    def post(self, body: object, **headers: str) -> Any:
        return self.http.post(self.url, json=body, headers={**self.headers, **headers})

    async def run(self, *messages: Says, thread: str = "t1", run: str = "r1", **more: Any) -> Shown:
        """Run and return what a front end with these messages shows then."""
        body = {"threadId": thread, "runId": run, "messages": list(messages), **more}
        async with self.post(body) as answer:
            content = await answer.text()
            assert answer.status == 200, content
            assert answer.headers["content-type"] == "text/event-stream"
        return Shown([_message(each) for each in messages]).see(decoded(content))

    async def refused(self, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
        """Run and return the status and the inside of the error's envelope."""
        async with self.post(body, **headers) as answer:
            document = await answer.json()
            return answer.status, document["error"]


_messages: TypeAdapter[Any] = TypeAdapter(AguiMessage)


def _message(fields: Says) -> Any:
    return _messages.validate_python(fields)


Open = Callable[..., Awaitable[Front]]


@pytest.fixture
async def http(live: Live) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(live.site.address, timeout=timeout) as session:
        yield session


@pytest.fixture
def front_of(http: aiohttp.ClientSession, worker: World, new_key: NewKey) -> Open:
    async def made(user_id: UUID, tenant: TenantRef, **of_key: object) -> Front:
        key = await platform_db(new_key, user_id, tenant, **of_key)
        headers = {"Host": f"{tenant.slug}.localhost", "Authorization": f"Bearer {key}"}
        return Front(http=http, url="/api/v1/agui", headers=headers)

    return made


@pytest.fixture
async def ann(front_of: Open, worker: World, people: People) -> Front:
    return await front_of(people.ann, worker.acme)


async def here(tenant: TenantRef, ask: Callable[[], Any]) -> Any:
    with scope.tenant_scope(tenant):
        return await tenant_db(ask)


def resent(shown: Shown) -> list[Says]:
    return [m.model_dump(by_alias=True, mode="json") for m in shown.messages]


async def test_a_run_tells_the_answer_that_is_stored(worker: World, ann: Front) -> None:
    shown = await ann.run(said("one two three"))

    answer = await here(worker.acme, lambda: Message.objects.get(role="assistant"))
    assert shown.text == answer.text == "one two three"
    assert shown.ids() == ["u1", str(answer.pk)]
    assert isinstance(shown.ended, RunFinishedEvent)
    assert (shown.ended.thread_id, shown.ended.run_id) == ("t1", "r1")
    assert shown.ended.result == {"messageId": str(answer.pk), "finishReason": "stop"}
    assert shown.ended.usage is not None
    assert shown.ended.usage[0].output_tokens == 3
    assert shown.state["karen"]["conversationId"] == str(answer.conversation_id)
    assert shown.custom == {}


async def test_the_same_thread_goes_on_with_the_same_conversation(
    worker: World, ann: Front
) -> None:
    first = await ann.run(said("one"))
    second = await ann.run(*resent(first), said("two", "u2"), run="r2")

    assert second.text == "two"
    rows = await here(worker.acme, lambda: list(Message.objects.order_by("id")))
    assert [row.text for row in rows] == ["one", "one", "two", "two"]
    assert [row.parent_id for row in rows] == [None, *(row.pk for row in rows[:3])]
    assert await here(worker.acme, Conversation.objects.count) == 1


async def test_a_question_after_an_earlier_answer_begins_a_branch_there(
    worker: World, ann: Front
) -> None:
    first = await ann.run(said("one"))
    await ann.run(*resent(first), said("two", "u2"), run="r2")
    await ann.run(*resent(first), said("three", "u3"), run="r3")

    answer = UUID(first.messages[1].id)
    children = await here(
        worker.acme,
        lambda: [m.text for m in Message.objects.filter(parent_id=answer).order_by("id")],
    )
    assert children == ["two", "three"]


async def test_a_repeated_run_tells_the_same_answer_and_asks_nothing(
    worker: World, ann: Front
) -> None:
    first = await ann.run(said("!tokens 30"))
    again = await ann.run(said("!tokens 30"))
    late = await ann.run(*resent(first))

    assert resent(first) == resent(again) == resent(late)
    assert await here(worker.acme, Turn.objects.count) == 1

    turn_id = await here(worker.acme, lambda: Turn.objects.get().pk)
    with scope.tenant_scope(worker.acme):
        redis_client(RedisRole.STREAMS).delete(stream_key(turn_id))
    forgotten = await ann.run(said("!tokens 30"))
    assert resent(forgotten) == resent(first)


async def test_the_same_run_with_another_question_is_refused(worker: World, ann: Front) -> None:
    await ann.run(said("one"))
    body = {"threadId": "t1", "runId": "r1", "messages": [said("two")]}

    assert (await ann.refused(body))[1]["type"] == "idempotency_conflict"


async def test_twins_of_a_run_begin_one_conversation_and_one_turn(
    worker: World, ann: Front
) -> None:
    shown = await asyncio.gather(*(ann.run(said("!tokens 20")) for _ in range(4)))

    assert {each.text for each in shown} == {shown[0].text}
    assert await here(worker.acme, Conversation.objects.count) == 1
    assert await here(worker.acme, Turn.objects.count) == 1


async def test_threads_are_everybodys_own(
    worker: World, people: People, ann: Front, front_of: Open
) -> None:
    bea = await front_of(people.bea, worker.acme)
    gus = await front_of(people.gus, worker.globex)
    states = [(await each.run(said("mine"))).state["karen"] for each in (ann, bea, gus)]

    assert len({state["conversationId"] for state in states}) == 3
    assert await here(worker.acme, Conversation.objects.count) == 2
    assert await here(worker.globex, Conversation.objects.count) == 1


async def test_anothers_conversation_is_no_thread_and_looks_like_none_at_all(
    worker: World, people: People, ann: Front, front_of: Open
) -> None:
    bea = await front_of(people.bea, worker.acme)
    gus = await front_of(people.gus, worker.globex)
    anns = (await ann.run(said("secret"))).state["karen"]["conversationId"]

    for person, thread in ((bea, anns), (gus, anns), (bea, str(new_id()))):
        for messages in ([said("x")], []):
            body = {"threadId": thread, "runId": "r", "messages": messages}
            status, error = await person.refused(body)
            assert (status, error["type"]) == (404, "conversation_not_found")
    assert await here(worker.acme, Turn.objects.count) == 1


async def test_a_conversation_of_ones_own_is_a_thread_by_its_id(worker: World, ann: Front) -> None:
    conversation = (await ann.run(said("one"))).state["karen"]["conversationId"]
    await ann.run(said("two", "u2"), thread=conversation, run="r2")

    rows = await here(worker.acme, lambda: [m.text for m in Message.objects.order_by("id")])
    assert rows == ["one", "one", "two", "two"]


async def test_a_run_without_a_question_shows_the_thread(worker: World, ann: Front) -> None:
    assert (await ann.run(run="look")).messages == []
    live = await ann.run(said("hello there"))

    seen = await ann.run(run="look")

    assert [m.role for m in seen.messages] == ["user", "assistant"]
    assert seen.messages[1].model_dump() == live.messages[1].model_dump()
    assert await here(worker.acme, Turn.objects.count) == 1


async def test_tools_and_thoughts_are_told_as_such(
    worker: World, people: People, front_of: Open
) -> None:
    scopes = ("chat.user", "chat.config.edit")
    ann = await front_of(people.ann, worker.acme, scopes=scopes)
    text = '!think Hmm\n!tool calculator {"expression": "6*7"}'
    options = {"karen": {"options": {"show_reasoning": True}}}
    live = await ann.run(said(text), forwardedProps=options)

    assert [m.role for m in live.messages] == [
        "user",
        "reasoning",
        "assistant",
        "tool",
        "assistant",
    ]
    seen: list[Any] = list(live.messages)
    _user, thought, asking, result, answer = seen
    assert thought.content == "Hmm"
    assert asking.tool_calls[0].function.name == "calculator"
    assert result.tool_call_id == asking.tool_calls[0].id
    assert "42" in result.content
    assert "42" in answer.content
    again = await ann.run(run="look")
    assert resent(again)[1:] == resent(live)[1:]


async def test_a_run_that_fails_ends_with_the_envelope(worker: World, ann: Front) -> None:
    shown = await ann.run(said("!error rejected"))

    assert isinstance(shown.ended, RunErrorEvent)
    assert shown.ended.code == "provider_rejected"
    error = (shown.ended.metadata or {})["karen"]["error"]
    assert error["type"] == "provider_rejected"
    assert error["message"] == shown.ended.message


async def test_what_karen_cannot_honour_is_said(worker: World, ann: Front) -> None:
    shown = await ann.run(
        said("one"),
        tools=[{"name": "paint", "description": "Paints.", "parameters": {}}],
        context=[{"description": "page", "value": "7"}],
        state={"colour": "red"},
    )

    said_of = {note["param"]: note["names"] for note in shown.custom["karen.unsupported"]}
    assert said_of == {"tools": ["paint"], "context": ["page"], "state": ["colour"]}
    assert shown.state["colour"] == "red"
    assert shown.text == "one"


async def test_a_result_of_a_front_end_tool_is_refused(worker: World, ann: Front) -> None:
    result = {"id": "x", "role": "tool", "toolCallId": "c", "content": "3"}
    body = {"threadId": "t1", "runId": "r9", "messages": [said("one"), result]}

    status, error = await ann.refused(body)

    assert (status, list(error["details"]["fields"])) == (400, ["messages.1"])


async def test_whoever_goes_away_finds_the_answer_whole_later(worker: World, ann: Front) -> None:
    text = "!delay 0.02\n!tokens 50"
    body = {"threadId": "t1", "runId": "r1", "messages": [said(text)]}
    async with ann.post(body) as answer:
        await answer.content.readuntil(b"TEXT_MESSAGE_CONTENT")
        answer.close()

    shown = await ann.run(said(text))

    assert shown.text == "".join(f"word{number} " for number in range(1, 51))
    states = await here(worker.acme, lambda: list(Turn.objects.values_list("state", flat=True)))
    assert states == ["completed"]


async def test_a_stopped_run_ends_as_cancelled(worker: World, ann: Front) -> None:
    body = {"threadId": "t1", "runId": "r1", "messages": [said("!delay 0.1\n!tokens 200")]}
    async with ann.post(body) as answer:
        content = await answer.content.readuntil(b"TEXT_MESSAGE_CONTENT")
        turn_id = await here(worker.acme, lambda: Turn.objects.get().pk)
        path = f"/api/v1/turns/{turn_id}/cancel"
        async with ann.http.post(path, headers=ann.headers) as stopped:
            assert stopped.status == 202
        content += await answer.content.read()

    shown = Shown().see(decoded(content.decode()))

    assert isinstance(shown.ended, RunFinishedEvent)
    assert shown.ended.outcome is not None
    assert shown.ended.outcome.type == "cancelled"


@pytest.mark.parametrize("body", [{}, [], {"threadId": "t", "runId": "r"}, {"messages": 7}])
async def test_a_body_that_is_no_run_is_refused(worker: World, ann: Front, body: object) -> None:
    status, error = await ann.refused(body)
    assert (status, error["type"]) == (400, "invalid_input")


async def test_an_empty_question_is_refused_and_leaves_no_conversation(
    worker: World, ann: Front
) -> None:
    body = {"threadId": "t1", "runId": "r1", "messages": [said(" ")]}

    assert (await ann.refused(body))[1]["type"] == "message_empty"
    assert await here(worker.acme, Conversation.objects.count) == 0


async def test_a_history_of_several_megabytes_is_refused_clearly(worker: World, ann: Front) -> None:
    messages = [said("x" * 100_000, f"u{number}") for number in range(30)]
    body = json.dumps({"threadId": "t1", "runId": "r1", "messages": messages}).encode()

    async with ann.http.post(ann.url, data=io.BytesIO(body), headers=ann.headers) as answer:
        assert answer.status == 413
        assert (await answer.json())["error"]["type"] == "payload_too_large"


async def test_a_browser_is_known_by_its_session_and_its_exact_origin(
    worker: World, people: People, ann: Front, browser_of: BrowserOf
) -> None:
    browser = await here(worker.acme, lambda: browser_of(people.ann, worker.acme))
    name = settings.SESSION_COOKIE_NAME
    cookie = f"{name}={browser.cookies[name].value}"
    page = Front(http=ann.http, url=ann.url, headers={"Host": "acme.localhost", "Cookie": cookie})
    body = {"threadId": "t1", "runId": "r1", "messages": []}

    for origin in ("http://globex.localhost", "http://acme.localhost:81", "null", "", None):
        headers = {} if origin is None else {"Origin": origin}
        status, error = await page.refused(body, **headers)
        assert (status, error["type"]) == (403, "permission_denied"), origin
    async with page.post(body, Origin="http://acme.localhost") as answer:
        assert answer.status == 200


async def test_nobody_in_particular_and_who_may_not_chat_are_refused(
    worker: World, people: People, ann: Front, browser_of: BrowserOf
) -> None:
    body = {"threadId": "t1", "runId": "r1", "messages": []}
    nobody = Front(http=ann.http, url=ann.url, headers={"Host": "acme.localhost"})
    assert (await nobody.refused(body))[0] == 401

    elsewhere = {**ann.headers, "Host": "globex.localhost"}
    foreign = Front(http=ann.http, url=ann.url, headers=elsewhere)
    assert (await foreign.refused(body))[0] == 401

    guest = await here(worker.acme, lambda: browser_of(people.eve, worker.acme))
    name = settings.SESSION_COOKIE_NAME
    cookie = f"{name}={guest.cookies[name].value}"
    headers = {"Host": "acme.localhost", "Cookie": cookie, "Origin": "http://acme.localhost"}
    eve = Front(http=ann.http, url=ann.url, headers=headers)
    assert (await eve.refused(body))[0] == 403


async def test_too_many_runs_are_refused_with_when_to_come_back(worker: World, ann: Front) -> None:
    body = {"threadId": "t1", "runId": "r1", "messages": [said("/help")]}

    async def run() -> tuple[int, str | None]:
        async with ann.post(body) as answer:
            return answer.status, answer.headers.get("Retry-After")

    answers = await asyncio.gather(*(run() for _ in range(2 * settings.CHAT_MESSAGES_PER_MINUTE)))

    assert {status for status, _retry in answers} == {200, 429}
    assert all(retry is not None for status, retry in answers if status == 429)
