"""The model whose name is its latency profile."""

import asyncio
import json

import aiohttp
import pytest
from hypothesis import given, strategies as st

from apps.providers import builtin, gateway, selectors
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
    ToolCall,
    ToolSpec,
)
from apps.providers.domain import stub
from apps.providers.errors import ModelNotFound, ModelProfileInvalid
from tests.stubs.upstream import running_upstream

ADD = ToolSpec(
    name="add",
    description="Adds.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "unit": {"enum": ["m", "ft"]}},
        "required": ["a", "unit"],
    },
)


def request_for(
    model: str, *messages: ChatMessage, tools: tuple[ToolSpec, ...] = (), max_tokens: int = 10_000
) -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=messages or (ChatMessage(role=Role.USER, text="Why?"),),
        max_tokens=max_tokens,
        temperature=0,
        partition="t:c",
        tools=tools,
    )


async def ask(request: ModelRequest) -> list[ProviderEvent]:
    builtin.register_all()
    return [event async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request)]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@given(
    ttft=st.integers(0, 600_000),
    itl=st.integers(0, 60_000),
    length=st.integers(0, 100_000),
    tools=st.integers(0, 20),
    separator=st.sampled_from([",", ";", " , "]),
)
def test_every_profile_in_range_is_read_as_written(
    ttft: int, itl: int, length: int, tools: int, separator: str
) -> None:
    name = separator.join([f"ttft={ttft}", f"itl={itl}", f"len={length}", f"tools={tools}"])

    assert stub.parse_profile(f"stub/{name}") == stub.StubProfile(
        ttft_ms=ttft, itl_ms=itl, length=length, tools=tools
    )


@given(st.text(max_size=60))
def test_any_other_text_is_refused_with_the_key_that_is_wrong(text: str) -> None:
    with pytest.raises(stub.BadProfile, match=": "):
        stub.parse_profile(f"{text}|")


@pytest.mark.parametrize(
    "name,key",
    [
        ("stub/ttft=300,itl=x", "itl"),
        ("stub/ttft=-1", "ttft"),
        ("stub/len=1e3", "len"),
        ("stub/len", "len"),
        ("stub/len=", "len"),
        ("stub/len=\u0661", "len"),
        ("stub/speed=9", "speed"),
        ("stub/len=5,len=6", "len"),
        ("stub/tools=21", "tools"),
        ("stub/len=99999999999999999999", "len"),
        ("stub/", "stub/"),
    ],
)
def test_a_bad_profile_is_refused_before_anything_is_stored(name: str, key: str) -> None:
    builtin.register_all()

    with pytest.raises(ModelProfileInvalid) as refusal:
        selectors.choose_route(model=name)

    assert refusal.value.key == key
    assert key in refusal.value.message()


def test_any_valid_profile_is_found_though_none_is_listed() -> None:
    builtin.register_all()

    assert selectors.get_model("stub/ttft=300,itl=20,len=400,tools=2").provider == "stub"
    assert not [model for model in selectors.list_models() if model.provider == "stub"]


def test_where_echo_is_off_there_are_no_stub_models(settings: object) -> None:
    builtin.register_all()
    settings.PROVIDERS_ECHO = False  # type: ignore[attr-defined]  # pytest-django's fixture

    with pytest.raises(ModelNotFound):
        selectors.get_model("stub/len=3")


async def test_the_answer_is_known_beforehand_and_depends_on_the_question() -> None:
    events = await ask(request_for("stub/len=40"))
    other = await ask(request_for("stub/len=40", ChatMessage(role=Role.USER, text="And why not?")))

    assert text_of(events) == stub.answer("Why?", 40)
    assert text_of(other) == stub.answer("And why not?", 40) != text_of(events)
    assert events[-1] == Finished(reason=FinishReason.STOP)


async def test_an_answer_that_may_not_be_so_long_says_so() -> None:
    events = await ask(request_for("stub/len=40", max_tokens=5))

    assert text_of(events) == stub.answer("Why?", 5)
    assert events[-1] == Finished(reason=FinishReason.LENGTH)


async def test_the_pace_is_that_of_the_name() -> None:
    builtin.register_all()
    clock = asyncio.get_running_loop().time
    started = clock()
    events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request_for("stub/ttft=60,itl=20,len=4"))
    times = [clock() - started async for event in events if isinstance(event, TextDelta)]

    assert all(at >= 0.06 + 0.02 * number - 0.002 for number, at in enumerate(times))
    assert len(times) == 4


async def test_tools_are_called_first_where_they_are_offered() -> None:
    question = ChatMessage(role=Role.USER, text="Why?")
    result = ChatMessage(role=Role.TOOL, text="3")
    first = await ask(request_for("stub/len=3,tools=2", question, tools=(ADD,)))
    second = await ask(request_for("stub/len=3,tools=2", question, result, tools=(ADD,)))
    third = await ask(request_for("stub/len=3,tools=2", question, result, result, tools=(ADD,)))

    calls = [event for event in first + second if isinstance(event, ToolCall)]
    assert [(call.id, call.name) for call in calls] == [("stub_1", "add"), ("stub_2", "add")]
    assert json.loads(calls[0].arguments) == {"a": 1, "unit": "m"}
    assert first[-1] == Finished(reason=FinishReason.TOOL_CALLS)
    assert text_of(third) == stub.answer("Why?", 3)


async def test_a_model_without_tools_answers_at_once() -> None:
    assert text_of(await ask(request_for("stub/len=3,tools=2"))) == stub.answer("Why?", 3)


async def test_closing_the_stream_stops_the_model() -> None:
    builtin.register_all()
    stream = gateway.stream(
        flow=Flow.CHAT_ANSWER, request=request_for("stub/ttft=1,itl=60000,len=100")
    )
    async with asyncio.timeout(5):
        assert isinstance(await anext(stream), TextDelta)
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


@pytest.mark.parametrize("name", ["ttft=5,itl=1,len=12", "stub/len=12"])
async def test_the_http_stub_says_the_same_words(name: str) -> None:
    body = {
        "model": name,
        "stream": True,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Why?"}],
    }
    async with (
        running_upstream() as upstream,
        aiohttp.ClientSession() as session,
        session.post(f"{upstream.base_url}/chat/completions", json=body) as answer,
    ):
        lines = [line async for line in answer.content if line.startswith(b"data: {")]

    chunks = [json.loads(line.removeprefix(b"data: "))["choices"] for line in lines]
    said = "".join(c[0]["delta"].get("content") or "" for c in chunks if c)
    assert said == stub.answer("Why?", 12)


async def test_the_http_stub_names_the_bad_key() -> None:
    body = {"model": "ttft=5,pace=1", "messages": [{"role": "user", "content": "Why?"}]}
    async with (
        running_upstream() as upstream,
        aiohttp.ClientSession() as session,
        session.post(f"{upstream.base_url}/chat/completions", json=body) as answer,
    ):
        assert answer.status == 404
        assert "pace" in await answer.text()
