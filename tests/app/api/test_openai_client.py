"""OpenAI's official client, unchanged, against a live Karen."""

import asyncio
import base64
import math
from array import array
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import openai
import pytest

from apps.conversations.following import Follower, follow_turn
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.http import safe_async_client
from apps.providers.catalogue import EMBEDDING_DIMENSIONS, EMBEDDING_MODEL
from tests.fixtures.database import World
from tests.fixtures.live import Live, NewKey
from tests.fixtures.people import People
from tests.stubs.upstream import SECRET, Upstream

HELLO: Any = [{"role": "user", "content": "hello"}]
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "adds",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}
WORDS = "word1 word2 word3 word4 word5 word6 word7 word8 "


@pytest.fixture
async def upstream(live: Live) -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start(port=live.upstream_port)
    yield server
    await server.stop()


@pytest.fixture
async def client(
    live: Live, worker: World, people: People, new_key: NewKey
) -> AsyncIterator[openai.AsyncOpenAI]:
    key = await platform_db(new_key, people.ann, worker.acme)
    async with live.client(key, worker.acme) as client:
        yield client


# The client is `Any` in what follows: its overloads by `stream` say more than tests can use.


def chunks_text(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


async def test_models_are_listed_and_found(client: Any) -> None:
    ids = [model.id async for model in client.models.list()]
    assert {"openai/plain", "echo/plain", EMBEDDING_MODEL} <= set(ids)
    assert (await client.models.retrieve("openai/plain")).owned_by == "openai"


async def test_an_assistant_answers_as_a_turn(client: Any, worker: World) -> None:
    assert "karen" in [model.id async for model in client.models.list()]

    answer = await client.chat.completions.create(
        model="karen",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "my name is Ann"},
            {"role": "assistant", "content": "Hello Ann."},
            {"role": "user", "content": "what did I say?"},
        ],
    )

    assert "what did I say?" in answer.choices[0].message.content
    assert answer.usage.completion_tokens
    with scope.tenant_scope(worker.acme):
        stored = await tenant_db(Conversation.objects.get)
        texts = await tenant_db(lambda: [m.text for m in Message.objects.order_by("id")][:3])
    assert (stored.temporary, stored.origin, stored.system_instruction) == (
        True,
        "api",
        "Be brief.",
    )
    assert texts == ["my name is Ann", "Hello Ann.", "what did I say?"]


async def test_an_assistant_streams_and_a_client_that_leaves_stops_it(
    client: Any, worker: World
) -> None:
    stream = await client.chat.completions.create(
        model="karen",
        messages=[{"role": "user", "content": "!delay 0.05\n!tokens 400"}],
        stream=True,
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    await stream.close()

    def turn_id() -> UUID:
        return Turn.objects.get().pk

    async def kinds() -> list[str]:
        follower = Follower(tenant=worker.acme, actor=scope.SYSTEM)
        return [e[1].kind async for e in follow_turn(follower, await tenant_db(turn_id)) if e]

    with scope.tenant_scope(worker.acme):
        assert (await kinds())[-1] == "cancelled"


async def test_an_assistant_says_what_it_does_not_take(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="karen", messages=HELLO, tools=[ADD])
    assert caught.value.param == "tools"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(
            model="karen", messages=[{"role": "assistant", "content": "x"}]
        )
    assert caught.value.param == "messages"
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="karen/nobody", messages=HELLO)


async def test_a_persona_is_a_model_of_its_own(client: Any, worker: World) -> None:
    assert "karen/editor" in [model.id async for model in client.models.list()]

    await client.chat.completions.create(model="karen/editor", messages=HELLO)

    with scope.tenant_scope(worker.acme):
        stored = await tenant_db(Conversation.objects.get)
    assert stored.persona == "editor"


async def test_an_assistants_failed_turn_is_an_error_with_its_cause(client: Any) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.create(
            model="karen", messages=[{"role": "user", "content": "!error rejected"}]
        )
    assert caught.value.code == "answer_failed"


async def test_a_completion(client: Any, upstream: Upstream) -> None:
    answer = await client.chat.completions.create(
        model="openai/plain", messages=HELLO, temperature=0.5, max_tokens=100, stop=["END"], seed=7
    )
    assert answer.choices[0].message.content == WORDS
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (1, 8)
    assert answer._request_id
    sent = upstream.bodies[0]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("plain", 100, 0.5)
    assert (sent["stop"], sent["seed"]) == (["END"], 7)


async def test_a_limit_nobody_asked_for_is_not_sent(client: Any, upstream: Upstream) -> None:
    await client.chat.completions.create(model="openai/plain", messages=HELLO)
    assert "max_tokens" not in upstream.bodies[0]


async def test_a_streamed_completion(client: Any, upstream: Upstream) -> None:
    stream = await client.chat.completions.create(
        model="openai/plain",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert chunks_text(chunks) == WORDS
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 9
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_clients_own_stream_helper_puts_an_answer_together(
    client: Any, upstream: Upstream
) -> None:
    async with client.chat.completions.stream(model="openai/plain", messages=HELLO) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == WORDS


@pytest.mark.parametrize("streamed", [False, True])
async def test_reasoning_is_kept_apart(client: Any, upstream: Upstream, streamed: bool) -> None:
    asked = await client.chat.completions.create(
        model="openai/reasoning", messages=HELLO, stream=streamed
    )
    if streamed:
        chunks = [chunk async for chunk in asked]
        thoughts = [c.choices[0].delta.model_extra.get("reasoning_content", "") for c in chunks]
        assert "".join(thoughts) == "Let me think."
        assert chunks_text(chunks) == WORDS
    else:
        assert asked.choices[0].message.reasoning_content == "Let me think."
        assert asked.choices[0].message.content == WORDS


async def test_a_tool_is_asked_for_and_its_result_goes_back_with_its_id(
    client: Any, upstream: Upstream
) -> None:
    first = await client.chat.completions.create(
        model="openai/tools", messages=HELLO, tools=[ADD], tool_choice="required"
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert (message.tool_calls[0].id, message.tool_calls[0].function.name) == ("call_1", "add")
    assert message.tool_calls[0].function.arguments == '{"a": 1, "b": 2}'
    assert upstream.bodies[0]["tool_choice"] == "required"
    result = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
    await client.chat.completions.create(
        model="openai/plain", messages=[*HELLO, message, result], tools=[ADD]
    )
    asked, answered = upstream.bodies[1]["messages"][1:]
    assert asked["tool_calls"][0]["id"] == "call_1"
    assert answered == result


async def test_tools_in_a_stream(client: Any) -> None:
    ask = [{"role": "user", "content": '!tool add {"a": 1}\n!tool add {"a": 2}'}]
    async with client.chat.completions.stream(
        model="echo/plain",
        messages=ask,
        tools=[ADD],
    ) as stream:
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.arguments for call in calls] == ['{"a": 1}', '{"a": 2}']


async def test_a_chosen_tool_is_asked_for(client: Any) -> None:
    choice = {"type": "function", "function": {"name": "add"}}
    answer = await client.chat.completions.create(
        model="echo/plain", messages=HELLO, tools=[ADD], tool_choice=choice
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "add"


async def test_a_stop_text_ends_the_answer(client: Any) -> None:
    ask = [{"role": "user", "content": "one two three four"}]
    answer = await client.chat.completions.create(model="echo/plain", messages=ask, stop="three")
    assert answer.choices[0].message.content == "one two "
    assert answer.choices[0].finish_reason == "stop"


async def test_a_response(client: Any, upstream: Upstream) -> None:
    answer = await client.responses.create(
        model="openai/plain", instructions="Be brief.", input="hello", max_output_tokens=100
    )
    assert answer.output_text == WORDS
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 8
    assert [m["role"] for m in upstream.bodies[0]["messages"]] == ["system", "user"]


async def test_a_response_cut_by_its_limit_says_so(client: Any, upstream: Upstream) -> None:
    answer = await client.responses.create(model="openai/plain", input="hello", max_output_tokens=3)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_a_streamed_response_adds_up_to_the_whole(client: Any, upstream: Upstream) -> None:
    async with client.responses.stream(model="openai/plain", input="hello") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.output_text == WORDS


async def test_tools_of_a_response_and_their_results(client: Any, upstream: Upstream) -> None:
    tool = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": False}
    async with client.responses.stream(
        model="openai/tools",
        input="hello",
        tools=[tool],
    ) as stream:
        first = await stream.get_final_response()
    call = first.output[0]
    assert call.type == "function_call"
    assert (call.name, call.arguments) == ("add", '{"a": 1, "b": 2}')
    await client.responses.create(
        model="openai/plain",
        input=[
            {"role": "user", "content": "hello"},
            {
                "type": "function_call",
                "call_id": call.call_id,
                "name": call.name,
                "arguments": call.arguments,
            },
            {"type": "function_call_output", "call_id": call.call_id, "output": "3"},
        ],
    )
    asked, answered = upstream.bodies[1]["messages"][1:]
    assert asked["tool_calls"][0]["function"]["name"] == "add"
    assert answered == {"role": "tool", "tool_call_id": "call_1", "content": "3"}


PIXEL = "data:image/png;base64,iVBORw0KGgo="


async def test_an_image_reaches_a_model_that_sees(client: Any) -> None:
    content = [
        {"type": "text", "text": "!see"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    answer = await client.chat.completions.create(
        model="echo/plain", messages=[{"role": "user", "content": content}]
    )
    assert answer.choices[0].message.content == "I see image/png of 8 bytes."
    content = [{"type": "input_text", "text": "!see"}, {"type": "input_image", "image_url": PIXEL}]
    response = await client.responses.create(
        model="echo/plain", input=[{"role": "user", "content": content}]
    )
    assert response.output_text == "I see image/png of 8 bytes."


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_embeddings_are_unit_vectors_in_order(client: Any, encoding: str) -> None:
    answer = await client.embeddings.create(
        model=EMBEDDING_MODEL,
        input=["a cat", "a kitten", "tax law"],
        encoding_format=encoding,
    )
    vectors = [each.embedding for each in answer.data]
    if encoding == "base64":
        vectors = [array("f", base64.b64decode(each)).tolist() for each in vectors]
    assert [len(vector) for vector in vectors] == [EMBEDDING_DIMENSIONS] * 3
    assert all(math.isclose(math.hypot(*vector), 1, rel_tol=1e-4) for vector in vectors)
    near, far = (sum(a * b for a, b in zip(vectors[0], v, strict=True)) for v in vectors[1:])
    assert near > far + 0.2


async def test_the_clients_default_encoding_works_too(client: Any) -> None:
    answer = await client.embeddings.create(model=EMBEDDING_MODEL, input="a cat")
    assert len(answer.data[0].embedding) == EMBEDDING_DIMENSIONS


@pytest.mark.parametrize(
    "model,error,code",
    [
        ("broken", openai.InternalServerError, "provider_unavailable"),
        ("refused", openai.BadRequestError, "provider_rejected"),
        ("too-long", openai.BadRequestError, "context_length_exceeded"),
        ("unauthorized", openai.InternalServerError, "provider_misconfigured"),
        ("rate-limited-long", openai.InternalServerError, "provider_unavailable"),
        ("no-such", openai.NotFoundError, "model_not_found"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_before_the_first_word_is_an_error_of_the_client(
    client: Any,
    upstream: Upstream,
    model: str,
    error: type[openai.APIStatusError],
    code: str,
    streamed: bool,
) -> None:
    with pytest.raises(error) as caught:
        await client.chat.completions.create(
            model=f"openai/{model}", messages=HELLO, stream=streamed
        )
    assert caught.value.code == code
    assert SECRET not in str(caught.value)
    assert caught.value.request_id
    if model == "rate-limited-long":
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60


@pytest.mark.parametrize("model", ["cut", "error-event", "no-finish", "garbage"])
async def test_a_failure_in_the_middle_of_a_stream_is_raised_after_what_came(
    client: Any, upstream: Upstream, model: str
) -> None:
    stream = await client.chat.completions.create(
        model=f"openai/{model}", messages=HELLO, stream=True
    )
    text = ""
    with pytest.raises(openai.APIError) as caught:
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    assert text.startswith("word1 word2 ")
    assert caught.value.code == "provider_interrupted"
    assert SECRET not in str(caught.value)


async def test_a_response_that_breaks_off_has_failed(client: Any, upstream: Upstream) -> None:
    stream = await client.responses.create(model="openai/cut", input="hello", stream=True)
    events = [event async for event in stream]
    failed = events[-1]
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert failed.response.error.code == "server_error"
    assert [e.code for e in events if e.type == "error"] == ["provider_interrupted"]
    assert "response.output_text.delta" in [event.type for event in events]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_leaves_stops_the_model(
    client: Any, upstream: Upstream, streamed: bool
) -> None:
    ask = client.chat.completions.create(model="openai/slow-1000", messages=HELLO, stream=streamed)
    if streamed:
        stream = await ask
        await anext(aiter(stream))
        await stream.close()
    else:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask, 0.5)
    async with asyncio.timeout(10):
        await upstream.next_drop.wait()


async def test_many_open_streams_hold_no_database_connection(
    client: Any, upstream: Upstream, live: Live
) -> None:
    # The pool has 12 connections; requests that need one are answered beside 100 open answers.
    async def opened() -> Any:
        stream = await client.chat.completions.create(
            model="openai/hang-midway", messages=HELLO, stream=True
        )
        await anext(aiter(stream))
        return stream

    streams = await asyncio.gather(*(opened() for _ in range(100)))
    headers = {"Host": "acme.localhost", "Authorization": f"Bearer {client.api_key}"}
    async with safe_async_client(loopback_only=True) as http:
        asked = [
            http.get(f"{live.site.address}/api/v1/conversations", headers=headers)
            for _ in range(24)
        ]
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    await asyncio.gather(*(stream.close() for stream in streams))
