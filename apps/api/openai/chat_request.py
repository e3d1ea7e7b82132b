"""What `POST /v1/chat/completions` takes."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from django.utils.translation import gettext as _

from apps.api.errors import ParameterInvalid, ParameterUnsupported
from apps.api.openai import parsing
from apps.providers.contracts import (
    ChatMessage,
    ImageData,
    ModelInfo,
    ModelRequest,
    Role,
    ToolCall,
    ToolSpec,
)


class _Image(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _Image | None = None


class _Function(msgspec.Struct):
    name: str
    arguments: str = "{}"


class _Call(msgspec.Struct):
    id: str
    function: _Function


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _FunctionSpec(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _FunctionSpec | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct):
    """The body; parameters that change nothing here (`user`, `store`, …) are passed over."""

    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    # Known and refused when they ask for something.
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    web_search_options: Any = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with what it consumed."""
        return bool(self.stream_options and self.stream_options.include_usage)


decode_chat = msgspec.json.Decoder(ChatRequest).decode

_ROLES = {"developer": Role.SYSTEM}
_UNSUPPORTED: dict[str, object] = {
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "functions": [],
    "function_call": "none",
    "modalities": ["text"],
    "audio": None,
    "web_search_options": None,
}


def model_request(asked: ChatRequest, model: ModelInfo, *, partition: str) -> ModelRequest:
    """Return what the gateway is asked.

    Raises:
        ParameterInvalid: Something does not fit; names it.
        ParameterUnsupported: Something is not offered here or by this model.
    """
    _check(asked)
    tools = parsing.checked_tools(model, _specs(asked.tools or ()))
    choice = asked.tool_choice
    named = choice.get("function") if isinstance(choice, dict) else None
    limit = asked.max_completion_tokens
    return ModelRequest(
        model=model.id,
        messages=tuple(_message(at, each, model) for at, each in enumerate(asked.messages)),
        max_tokens=parsing.token_limit(
            "max_tokens" if limit is None else "max_completion_tokens",
            asked.max_tokens if limit is None else limit,
            model,
        ),
        temperature=1.0 if asked.temperature is None else asked.temperature,
        partition=partition,
        tools=tools,
        tool_choice=parsing.checked_choice(
            choice, named.get("name") if isinstance(named, dict) else None, tools
        ),
        stop=parsing.stops_of(asked.stop),
        response_format=parsing.format_of(model, "response_format", asked.response_format),
        sampling=parsing.sampling_of(
            top_p=asked.top_p,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            seed=asked.seed,
        ),
    )


def _check(asked: ChatRequest) -> None:
    if not asked.messages:
        raise ParameterInvalid("messages", _("messages must not be empty."))
    if asked.n not in {None, 1}:
        raise ParameterUnsupported("n", _("One answer at a time: n must be 1."))
    if asked.stream_options is not None and not asked.stream:
        raise ParameterInvalid("stream_options", _("stream_options needs stream to be true."))
    parsing.in_range("temperature", asked.temperature, least=0, most=2)
    parsing.in_range("top_p", asked.top_p, least=0, most=1)
    parsing.in_range("presence_penalty", asked.presence_penalty, least=-2, most=2)
    parsing.in_range("frequency_penalty", asked.frequency_penalty, least=-2, most=2)
    given = {name: getattr(asked, name) for name in _UNSUPPORTED}
    parsing.refuse_given(given, _UNSUPPORTED)


def _specs(tools: Sequence[_Tool]) -> list[ToolSpec]:
    specs = []
    for at, tool in enumerate(tools):
        if tool.type != "function":
            raise ParameterUnsupported(f"tools[{at}].type", _("Only function tools are offered."))
        if tool.function is None:
            raise ParameterInvalid(f"tools[{at}].function", _("A tool needs its function."))
        specs.append(
            ToolSpec(
                name=tool.function.name,
                description=tool.function.description or "",
                parameters=tool.function.parameters or {"type": "object", "properties": {}},
            )
        )
    return specs


def _message(at: int, message: _Message, model: ModelInfo) -> ChatMessage:
    role = _ROLES.get(message.role) or Role(message.role)
    calls = tuple(
        ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
        for call in message.tool_calls or ()
    )
    if calls and role is not Role.ASSISTANT:
        raise ParameterInvalid(
            f"messages[{at}].tool_calls", _("Only the assistant's messages ask for tools.")
        )
    if role is Role.TOOL and not message.tool_call_id:
        raise ParameterInvalid(
            f"messages[{at}].tool_call_id", _("A tool's message says which call it answers.")
        )
    if message.content is None and not calls:
        raise ParameterInvalid(f"messages[{at}].content", _("The message says nothing."))
    return ChatMessage(
        role=role,
        text=_text(at, message.content),
        tool_calls=calls,
        tool_call_id=message.tool_call_id or "" if role is Role.TOOL else "",
        images=_images(at, message, model) if role is Role.USER else (),
    )


def _text(at: int, content: str | list[_Part] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for number, part in enumerate(content):
        if part.type not in {"text", "refusal", "image_url"}:
            place = f"messages[{at}].content[{number}].type"
            raise ParameterUnsupported(place, _("Send texts and images."))
        texts.append(part.text or part.refusal or "")
    return "".join(texts)


def _images(at: int, message: _Message, model: ModelInfo) -> tuple[ImageData, ...]:
    parts = message.content if isinstance(message.content, list) else []
    return tuple(
        parsing.image_of(
            f"messages[{at}].content[{number}].image_url",
            model,
            part.image_url.url if part.image_url else None,
        )
        for number, part in enumerate(parts)
        if part.type == "image_url"
    )
