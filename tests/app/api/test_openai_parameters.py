"""Each parameter of `/v1` reaches the model or is refused by its name: none is dropped silently."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.api.errors import ParameterUnsupported
from apps.api.openai import chat_request, parsing, responses_request
from apps.core.concurrency import platform_db
from apps.providers import registry
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.adapters.openai_wire import AnswerParts
from apps.providers.contracts import ModelInfo, TextDelta
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People
from tests.fixtures.v1 import AskV1
from tests.stubs.upstream import Upstream, running_upstream
from tools.lint.source import REPOSITORY

CHAT, RESPONSES = "chat/completions", "responses"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hello"}]
SCHEMA = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"anyOf": [{"type": "null"}, {"const": 1}]}},
    "required": ["a", "b"],
    "additionalProperties": False,
    "$defs": {"n": {"type": "integer", "minimum": 0}},
}
ADD = {"name": "add", "description": "adds", "parameters": SCHEMA, "strict": True}
TOOL = {"type": "function", "function": ADD}
PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    adapter = OpenAICompatibleAdapter()
    provider = next(each for each in registry.providers() if each.kind == "openai")
    registry.register(replace(provider, adapter=lambda: adapter))
    async with running_upstream() as server:
        settings.OPENAI_BASE_URL = server.base_url
        settings.OPENAI_API_KEY = "sk-test"
        settings.OPENAI_MODELS = "plain,tools,o3-mini,gpt-4o"
        yield server
        await adapter.aclose()
    registry.register(provider)


@pytest.fixture
async def key(committed: World, people: People, new_key: NewKey) -> str:
    return await platform_db(new_key, people.ann, committed.acme)


class Door:
    """Asks acme's door and looks at what the endpoint behind it was asked."""

    def __init__(self, ask: AskV1, world: World, key: str, upstream: Upstream) -> None:
        self._ask, self._world, self._key, self._upstream = ask, world, key, upstream

    async def sent(self, path: str, **fields: Any) -> dict[str, Any]:
        """Return the body that the endpoint received."""
        answer = await self._ask(path, tenant=self._world.acme, key=self._key, body=fields)
        assert answer.status == 200, answer.body
        return self._upstream.bodies[-1]

    async def refused(self, path: str, **fields: Any) -> tuple[str, str]:
        """Return code and parameter of the refusal; nothing was asked of the endpoint."""
        before = len(self._upstream.bodies)
        answer = await self._ask(path, tenant=self._world.acme, key=self._key, body=fields)
        assert (answer.status, len(self._upstream.bodies)) == (400, before), answer.body
        return answer.error["code"], answer.error["param"]

    async def outcome(self, path: str, **fields: Any) -> dict[str, Any] | str:
        """Return what was sent, or the name that was refused."""
        answer = await self._ask(path, tenant=self._world.acme, key=self._key, body=fields)
        return self._upstream.bodies[-1] if answer.status == 200 else answer.error["param"]


@pytest.fixture
def door(ask_v1: AskV1, committed: World, key: str, upstream: Upstream) -> Door:
    return Door(ask_v1, committed, key, upstream)


async def test_tools_reach_the_model_as_they_were_given(door: Door) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "3"}]},
    ]
    choice = {"type": "function", "function": {"name": "add"}}
    sent = await door.sent(
        CHAT,
        model="openai/plain",
        messages=messages,
        tools=[TOOL],
        tool_choice=choice,
        parallel_tool_calls=False,
        seed=7,
    )

    assert sent["tools"] == [TOOL]
    assert sent["tool_choice"] == choice
    assert sent["parallel_tool_calls"] is False
    assert sent["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]
    assert json.dumps(sent["seed"]) == "7"


async def test_function_tools_of_responses_reach_the_model_as_they_were_given(door: Door) -> None:
    sent = await door.sent(
        RESPONSES,
        model="openai/plain",
        input=[
            {"role": "user", "content": "hello"},
            {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}", "id": "f"},
            {"type": "function_call_output", "call_id": "c", "output": "3"},
        ],
        tools=[{"type": "function", **ADD}],
        tool_choice={"type": "function", "name": "add"},
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
    )

    assert sent["tools"] == [TOOL]
    assert sent["tool_choice"]["function"] == {"name": "add"}
    assert sent["parallel_tool_calls"] is False
    assert sent["reasoning_effort"] == "low"
    schema = {"name": "n", "schema": SCHEMA, "strict": True}
    assert sent["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool"]


async def test_names_and_details_of_images_reach_the_model(door: Door) -> None:
    picture = {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}
    message = {"role": "user", "name": "Ada", "content": [{"type": "text", "text": "?"}, picture]}
    sent = await door.sent(CHAT, model="openai/gpt-4o", messages=[message])

    assert sent["messages"] == [message]


# What each parameter is when it asks for something, and whether it then reaches the model.
CHAT_VALUES: dict[str, Any] = {
    "max_tokens": 3,
    "max_completion_tokens": 3,
    "temperature": 0.5,
    "top_p": 0.5,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "top_k": 4,
    "min_p": 0.5,
    "repetition_penalty": 1.5,
    "seed": 4,
    "reasoning_effort": "low",
    "verbosity": "low",
    "n": 2,
    "stop": ["word3"],
    "tools": [TOOL],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"1": 2},
    "functions": [ADD],
    "function_call": "auto",
    "modalities": ["audio"],
    "audio": {"voice": "x"},
    "web_search_options": {},
    "prediction": {"type": "content", "content": "x"},
    "service_tier": "flex",
    "store": True,
}
RESPONSES_VALUES: dict[str, Any] = {
    "instructions": "Be brief.",
    "max_output_tokens": 3,
    "temperature": 0.5,
    "top_p": 0.5,
    "tools": [{"type": "function", **ADD}],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "text": {"verbosity": "low"},
    "background": True,
    "conversation": "c",
    "previous_response_id": "r",
    "prompt": {"id": "p"},
    "include": ["message.output_text.logprobs"],
    "truncation": "auto",
    "max_tool_calls": 2,
    "top_logprobs": 2,
    "service_tier": "flex",
}
# They change no answer, and docs/openai-api.md says so.
PASSED_OVER = {"user", "metadata", "safety_identifier", "prompt_cache_key"}
PASSED_OVER |= {"prompt_cache_retention"}
FORM = {"model", "messages", "input", "stream", "stream_options"}
STORED_NOWHERE = {"store"}  # of responses, which say `store: false` themselves


def test_every_parameter_is_decided_on() -> None:
    chat = set(chat_request.ChatRequest.__struct_fields__)
    response = set(responses_request.ResponsesRequest.__struct_fields__)

    assert chat - PASSED_OVER - FORM == set(CHAT_VALUES)
    assert response - PASSED_OVER - FORM - STORED_NOWHERE == set(RESPONSES_VALUES)
    page = (REPOSITORY / "docs" / "openai-api.md").read_text()
    assert all(f"`{name}`" in page for name in PASSED_OVER)


@pytest.mark.parametrize("name", CHAT_VALUES)
async def test_a_parameter_of_chat_changes_the_question_or_is_refused_by_name(
    door: Door, name: str
) -> None:
    base: dict[str, Any] = {"model": "openai/plain", "messages": HELLO}
    if name in {"tool_choice", "parallel_tool_calls"}:
        base["tools"] = [TOOL]
    plain = await door.sent(CHAT, **base)

    outcome = await door.outcome(CHAT, **{**base, name: CHAT_VALUES[name]})

    assert outcome == name or (isinstance(outcome, dict) and outcome != plain)


@pytest.mark.parametrize("name", RESPONSES_VALUES)
async def test_a_parameter_of_responses_changes_the_question_or_is_refused_by_name(
    door: Door, name: str
) -> None:
    base: dict[str, Any] = {"model": "openai/plain", "input": "hello"}
    if name in {"tool_choice", "parallel_tool_calls"}:
        base["tools"] = [{"type": "function", **ADD}]
    plain = await door.sent(RESPONSES, **base)

    outcome = await door.outcome(RESPONSES, **{**base, name: RESPONSES_VALUES[name]})

    assert outcome == name or (isinstance(outcome, dict) and outcome != plain)


def _said(**more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "x", **more}]}


def _part(**more: Any) -> dict[str, Any]:
    return _said(content=[{"type": "text", "text": "x", **more}])


@pytest.mark.parametrize(
    "param,fields",
    [
        ("guided_json", {"guided_json": {}}),
        ("thinking", {"thinking": {"type": "enabled"}}),
        ("messages[0].cache_control", _said(cache_control={})),
        ("messages[0].audio", _said(audio={"id": "a"})),
        ("messages[0].content[0].cache_control", _part(cache_control={})),
        ("tools[0].cache_control", {"tools": [{**TOOL, "cache_control": {}}]}),
        ("tools[0].function.x", {"tools": [{"type": "function", "function": {**ADD, "x": 1}}]}),
        ("stream_options.x", {"stream": True, "stream_options": {"x": 1}}),
        (
            "messages[0].content[0].type",
            {"messages": [{"role": "system", "content": [{"type": "image_url"}]}]},
        ),
    ],
    ids=str,
)
async def test_what_nobody_knows_is_refused_by_its_name_at_any_depth(
    door: Door, param: str, fields: dict[str, Any]
) -> None:
    body = {"model": "openai/plain", "messages": HELLO, **fields}
    assert await door.refused(CHAT, **body) == ("parameter_unsupported", param)


@pytest.mark.parametrize(
    "param,fields",
    [
        ("thinking", {"thinking": {}}),
        ("reasoning.summary", {"reasoning": {"summary": "auto"}}),
        ("input[0].x", {"input": [{"role": "user", "content": "x", "x": 1}]}),
        ("tools[0].x", {"tools": [{"type": "function", **ADD, "x": 1}]}),
        (
            "input[0].output[0].type",
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "input_image", "image_url": PNG}],
                    }
                ]
            },
        ),
    ],
    ids=str,
)
async def test_what_nobody_knows_of_responses_is_refused_too(
    door: Door, param: str, fields: dict[str, Any]
) -> None:
    body = {"model": "openai/plain", "input": "hello", **fields}
    assert await door.refused(RESPONSES, **body) == ("parameter_unsupported", param)


async def test_an_unknown_parameter_of_embeddings_is_refused_by_name(door: Door) -> None:
    body = {"model": "local/all-minilm-l6-v2-int8", "input": "x", "truncate": True}
    assert await door.refused("embeddings", **body) == ("parameter_unsupported", "truncate")


@pytest.mark.parametrize("name", ["temperature", "top_p", "presence_penalty", "top_k"])
async def test_a_model_with_a_temperature_of_its_own_refuses_another(door: Door, name: str) -> None:
    body = {"model": "openai/o3-mini", "messages": HELLO}
    refused = await door.refused(CHAT, **body, **{name: 0.2 if name != "top_k" else 2})
    sent = await door.sent(CHAT, **body, temperature=1, reasoning_effort="high")

    assert refused == ("parameter_unsupported", name)
    assert sent["reasoning_effort"] == "high"
    assert "temperature" not in sent


@pytest.mark.parametrize(
    "param,fields",
    [
        ("max_tokens", {"max_tokens": 5}),
        ("top_p", {"top_p": 0.5}),
        ("seed", {"seed": 1}),
        ("reasoning_effort", {"reasoning_effort": "low"}),
        ("messages[0].name", _said(name="Ada")),
        ("stop", {"stop": "x"}),
        ("tools", {"tools": [{"type": "function", "function": {"name": "add"}}]}),
        ("tools[0].function.strict", {"tools": [TOOL]}),
        (
            "messages",
            {"messages": [*HELLO, {"role": "tool", "tool_call_id": "c", "content": "3"}, *HELLO]},
        ),
    ],
    ids=str,
)
async def test_an_assistant_refuses_what_it_decides_itself(
    door: Door, param: str, fields: dict[str, Any]
) -> None:
    body = {"model": "karen", "messages": HELLO, **fields}
    assert await door.refused(CHAT, **body) == ("parameter_unsupported", param)


async def test_an_instruction_is_never_cut(door: Door) -> None:
    messages = [{"role": "system", "content": "x" * 8_001}, *HELLO]
    refused = await door.refused(CHAT, model="karen", messages=messages)
    assert refused == ("parameter_invalid", "messages")


def test_a_local_model_refuses_what_its_engine_does_not_do() -> None:
    model = ModelInfo(
        id="local/x", label="x", provider="local", context_tokens=100, in_process=True,
        supports_tools=False, takes=frozenset({"temperature", "max_tokens"}),
    )  # fmt: skip

    def asked(**fields: Any) -> Any:
        body = json.dumps({"model": "local/x", "messages": HELLO, **fields}).encode()
        decoded = parsing.parsed(chat_request.decode_chat, body)
        return chat_request.model_request(decoded, model, partition="p")

    assert asked(temperature=0.2, max_tokens=5).max_tokens == 5
    for name, value in (("top_p", 0.5), ("seed", 1), ("frequency_penalty", 1)):
        with pytest.raises(ParameterUnsupported) as refused:
            asked(**{name: value})
        assert refused.value.param == name


def test_a_refusal_of_the_model_is_its_answer() -> None:
    chunk = {"choices": [{"delta": {"content": None, "refusal": "No."}, "finish_reason": None}]}
    assert AnswerParts().events(json.dumps(chunk).encode()) == [TextDelta(text="No.")]
