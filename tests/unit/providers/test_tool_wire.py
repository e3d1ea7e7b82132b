"""Tool calls, images and options on their way to models and back."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from pytest_django.fixtures import Settings

from apps.providers import builtin, gateway, registry
from apps.providers.adapters.llama_cpp import LlamaCppAdapter
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.adapters.openai_wire import AnswerParts, arguments_of
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ImageData,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
    ToolCall,
    ToolSpec,
    UsageReport,
)
from apps.providers.domain.plain import plain_messages
from apps.providers.domain.profiles import profile_of
from apps.providers.domain.stops import StopFilter
from apps.providers.errors import ProviderRejected
from tests.stubs.upstream import Upstream, running_upstream

ADD = ToolSpec(name="add", description="adds", parameters={"type": "object"})


def request(
    *messages: ChatMessage,
    model: str = "openai/agent",
    tools: tuple[ToolSpec, ...] = (ADD,),
    **fields: object,
) -> ModelRequest:
    asked = ModelRequest(
        model=model,
        messages=messages,
        max_tokens=200,
        temperature=0.5,
        partition="t:c",
        tools=tools,
    )
    return replace(asked, **fields)  # type: ignore[arg-type]  # passed on as given


def user(text: str, **fields: object) -> ChatMessage:
    return replace(ChatMessage(role=Role.USER, text=text), **fields)  # type: ignore[arg-type]  # ditto


async def answer(asked: ModelRequest) -> list[ProviderEvent]:
    return [event async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=asked)]


def calls_in(events: Sequence[ProviderEvent]) -> tuple[ToolCall, ...]:
    return tuple(event for event in events if isinstance(event, ToolCall))


def text_of(events: Sequence[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def chunk(**delta: object) -> bytes:
    finish = delta.pop("finish", None)
    return json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}).encode()


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    adapter = OpenAICompatibleAdapter()
    provider = next(each for each in registry.providers() if each.kind == "openai")
    registry.register(replace(provider, adapter=lambda: adapter))
    async with running_upstream() as server:
        settings.OPENAI_BASE_URL = server.base_url
        settings.OPENAI_MODELS = "agent,plain"
        yield server
        await adapter.aclose()
    registry.register(provider)


async def test_parallel_calls_come_whole_and_their_results_go_back_under_their_ids(
    upstream: Upstream,
) -> None:
    question = user('call add {"a": 1, "b": 2}\ncall add {"a": 30, "b": 4}')
    asked = calls_in(await answer(request(question)))
    assert asked == (
        ToolCall(id="call_0", name="add", arguments='{"a": 1, "b": 2}'),
        ToolCall(id="call_1", name="add", arguments='{"a": 30, "b": 4}'),
    )

    said = ChatMessage(role=Role.ASSISTANT, text="", tool_calls=asked)
    results = [
        ChatMessage(role=Role.TOOL, text=text, tool_call_id=call.id)
        for call, text in zip(asked, ("3", "34"), strict=True)
    ]
    assert text_of(await answer(request(question, said, *results))) == "They said: 3 | 34"
    sent = upstream.bodies[-1]["messages"]
    assert sent[1]["content"] is None
    assert sent[2] == {"role": "tool", "tool_call_id": "call_0", "content": "3"}


async def test_choice_stop_and_format_are_sent_and_left_out_when_not_asked(
    upstream: Upstream,
) -> None:
    await answer(request(user("hi"), model="openai/plain", tools=()))
    assert not {"tools", "tool_choice", "stop", "response_format"} & set(upstream.bodies[0])
    await answer(
        request(
            user("hi"),
            model="openai/plain",
            tool_choice="add",
            stop=("END",),
            response_format='{"type": "json_object"}',
        )
    )
    body = upstream.bodies[1]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert (body["stop"], body["response_format"]) == (["END"], {"type": "json_object"})


async def test_an_image_travels_as_a_data_url(upstream: Upstream) -> None:
    image = ImageData(media_type="image/png", data=b"\x89PNG")
    await answer(request(user("what is this?", images=(image,)), model="openai/plain"))
    assert upstream.bodies[0]["messages"][0]["content"] == [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]


@pytest.mark.parametrize("botched", ['{"a": 1', "[1]", "42", "nonsense"])
def test_botched_arguments_go_back_as_sound_json(botched: str) -> None:
    call = ToolCall(id="c", name="add", arguments=botched)
    body = arguments_of(request(ChatMessage(role=Role.ASSISTANT, text="", tool_calls=(call,))))
    sent = body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"invalid_json": botched}


def test_calls_under_one_index_are_told_apart_by_their_ids() -> None:
    parts = AnswerParts()
    for name in ("a", "b"):
        function = {"name": name, "arguments": "{}"}
        parts.events(chunk(tool_calls=[{"id": f"id_{name}", "index": 0, "function": function}]))
    parts.events(chunk(finish="stop"))
    *calls, finished = parts.end()
    assert calls == [ToolCall(id=f"id_{n}", name=n, arguments="{}") for n in ("a", "b")]
    assert finished == Finished(reason=FinishReason.TOOL_CALLS)


def test_reasoning_and_cached_tokens_are_reported() -> None:
    parts = AnswerParts()
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    parts.events(json.dumps({"choices": [], "usage": usage}).encode())
    parts.events(chunk(finish="stop"))
    report = parts.end()[0]
    assert isinstance(report, UsageReport)
    assert (report.usage.cached_tokens, report.usage.reasoning_tokens) == (8, 3)


async def test_echo_asks_for_several_tools_and_answers_with_their_results() -> None:
    builtin.register_all()
    question = user('!tool add {"a": 1}\n!tool add {"a": 2}\n!then\ndone')
    asked = calls_in(await answer(request(question, model="echo/plain")))
    assert [call.id for call in asked] == ["call_0", "call_1"]
    history = [
        question,
        ChatMessage(role=Role.ASSISTANT, text="", tool_calls=asked),
        *(ChatMessage(role=Role.TOOL, text=call.id, tool_call_id=call.id) for call in asked),
    ]
    assert text_of(await answer(request(*history, model="echo/plain"))) == "done"
    history[0] = user("!tool add {}")
    told = text_of(await answer(request(*history, model="echo/plain")))
    assert told == "The tool says: call_0; call_1"


async def test_echo_asks_for_nothing_when_it_may_not() -> None:
    events = await answer(request(user("hm\n!tool add {}"), model="echo/plain", tool_choice="none"))
    assert calls_in(events) == ()
    assert events[-1] == Finished(reason=FinishReason.STOP)


async def test_echo_stops_at_a_stop_text_and_sees_images() -> None:
    events = await answer(request(user("one two three"), model="echo/plain", stop=("o t",)))
    assert text_of(events) == "one tw"
    image = ImageData(media_type="image/png", data=b"1234")
    events = await answer(request(user("!see", images=(image,)), model="echo/plain"))
    assert text_of(events) == "I see image/png of 4 bytes."


@given(
    st.lists(st.text(alphabet="ab", max_size=4)),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=2),
)
def test_however_a_text_is_cut_it_ends_at_the_first_stop_text(
    pieces: list[str], stops: list[str]
) -> None:
    texts, shown = StopFilter(tuple(stops)), ""
    for piece in pieces:
        shown += texts.feed(piece)
        if texts.stopped:
            break
    else:
        shown += texts.rest()
    whole = "".join(pieces)
    places = [whole.find(stop) for stop in stops if stop in whole]
    assert shown[: min(places)] == whole[: min(places)] if places else shown == whole
    assert not any(stop in shown for stop in stops)


def test_a_prompt_with_tools_is_told_to_a_model_that_knows_none() -> None:
    call = ToolCall(id="c", name="add", arguments="{}")
    told = plain_messages(
        [
            user("add"),
            ChatMessage(role=Role.ASSISTANT, text="", tool_calls=(call,)),
            ChatMessage(role=Role.TOOL, text="3", tool_call_id="c"),
        ]
    )
    assert told == (user("add\n\nResult of a tool: 3"),)
    assert plain_messages([user("a"), user("b")]) == (user("a"), user("b"))


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": '{"type": "json_schema"}'},
        {"response_format": "{"},
        {"sampling": (("logit_bias", 1.0),)},
        {"sampling": (("top_p", 2.0),)},
        {"tool_choice": "required"},
        {"messages": (user("", images=(ImageData(media_type="image/png", data=b""),)),)},
    ],
)
def test_the_local_engine_refuses_what_it_cannot_do(fields: dict[str, object]) -> None:
    asked = replace(request(user("hi"), model="local/x"), **fields)  # type: ignore[arg-type]  # ditto
    with pytest.raises(ProviderRejected):
        LlamaCppAdapter().stream(asked)


def test_profiles_tell_who_sees() -> None:
    assert profile_of("gpt-4o-mini").vision
    assert not profile_of("o3-mini").vision
    assert not profile_of("some-model").vision
