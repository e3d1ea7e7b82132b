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

# Fields that nobody here knows are refused by name (`parsing.parsed`); what stands here without
# being read changes no answer, or is null in what OpenAI's own clients send back.


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Image(_Strict):
    url: str
    detail: str | None = None


class _Part(_Strict):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _Image | None = None
    annotations: Any = None
    # Of kinds that are refused by their type.
    input_audio: Any = None
    video_url: Any = None
    file: Any = None


class _Function(_Strict):
    name: str
    arguments: str = "{}"


class _Call(_Strict):
    id: str
    function: _Function
    type: Literal["function"] = "function"
    index: int | None = None


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    refusal: str | None = None
    annotations: Any = None
    # What a model thought is its own; the next answer does without.
    reasoning_content: Any = None
    reasoning: Any = None
    # Known and refused when they hold something.
    audio: Any = None
    function_call: Any = None


class _StreamOptions(_Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(_Strict):
    """The body; `user` and the like change nothing here and are passed over."""

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
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
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
    prediction: Any = None
    service_tier: str | None = None
    store: bool | None = None
    # They ask nothing of the answer.
    user: Any = None
    metadata: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None

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
    "prediction": None,
    "store": False,
}
_TIERS = {None, "auto", "default"}


def model_request(asked: ChatRequest, model: ModelInfo, *, partition: str) -> ModelRequest:
    """Return what the gateway is asked.

    Raises:
        ParameterInvalid: Something does not fit; names it.
        ParameterUnsupported: Something is not offered here or by this model.
    """
    _check(asked)
    tools = parsing.checked_tools(model, _specs(asked.tools or (), model))
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
        temperature=parsing.temperature_of(model, asked.temperature),
        partition=partition,
        tools=tools,
        tool_choice=parsing.checked_choice(
            choice, named.get("name") if isinstance(named, dict) else None, tools
        ),
        stop=parsing.stops_of(asked.stop),
        response_format=parsing.format_of(model, "response_format", asked.response_format),
        sampling=parsing.sampling_of(
            model,
            top_p=asked.top_p,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            top_k=asked.top_k,
            min_p=asked.min_p,
            repetition_penalty=asked.repetition_penalty,
            seed=asked.seed,
            reasoning_effort=asked.reasoning_effort,
            verbosity=asked.verbosity,
            # Without tools it asks for nothing, and endpoints refuse it.
            parallel_tool_calls=asked.parallel_tool_calls if tools else None,
        ),
    )


def _check(asked: ChatRequest) -> None:
    if not asked.messages:
        raise ParameterInvalid("messages", _("messages must not be empty."))
    if asked.n not in {None, 1}:
        raise ParameterUnsupported("n", _("One answer at a time: n must be 1."))
    if asked.stream_options is not None and not asked.stream:
        raise ParameterInvalid("stream_options", _("stream_options needs stream to be true."))
    if None not in {asked.max_tokens, asked.max_completion_tokens}:
        text = _("max_tokens is the old name of max_completion_tokens: give one of them.")
        raise ParameterInvalid("max_tokens", text)
    parsing.in_range("top_p", asked.top_p, least=0, most=1)
    parsing.in_range("presence_penalty", asked.presence_penalty, least=-2, most=2)
    parsing.in_range("frequency_penalty", asked.frequency_penalty, least=-2, most=2)
    if asked.service_tier not in _TIERS:
        raise ParameterUnsupported("service_tier")
    given = {name: getattr(asked, name) for name in _UNSUPPORTED}
    parsing.refuse_given(given, _UNSUPPORTED)


def _specs(tools: Sequence[dict[str, Any]], model: ModelInfo) -> list[ToolSpec]:
    specs = []
    for at, tool in enumerate(tools):
        if tool.get("type") != "function":
            raise ParameterUnsupported(f"tools[{at}].type", _("Only function tools are offered."))
        for field in tool:
            if field not in {"type", "function"}:
                raise ParameterUnsupported(f"tools[{at}].{field}")
        if not isinstance(tool.get("function"), dict):
            raise ParameterInvalid(f"tools[{at}].function", _("A tool needs its function."))
        specs.append(parsing.tool_of(f"tools[{at}].function", tool["function"], model))
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
    place = f"messages[{at}]"
    for name in ("audio", "function_call"):
        if getattr(message, name) is not None:
            raise ParameterUnsupported(f"{place}.{name}")
    parsing.demand_taken(model, "name", message.name, param=f"{place}.name")
    if message.content is None and message.refusal is None and not calls:
        raise ParameterInvalid(f"messages[{at}].content", _("The message says nothing."))
    return ChatMessage(
        role=role,
        text=_text(at, message) or message.refusal or "",
        tool_calls=calls,
        tool_call_id=message.tool_call_id or "" if role is Role.TOOL else "",
        images=_images(at, message, model) if role is Role.USER else (),
        name=message.name or "",
    )


def _text(at: int, message: _Message) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    kinds = {"text", "refusal", "image_url"} if message.role == "user" else {"text", "refusal"}
    texts = []
    for number, part in enumerate(message.content):
        if part.type not in kinds:
            place = f"messages[{at}].content[{number}].type"
            raise ParameterUnsupported(place, _("Send texts, and images of the user's."))
        texts.append(part.text or part.refusal or "")
    return "".join(texts)


def _images(at: int, message: _Message, model: ModelInfo) -> tuple[ImageData, ...]:
    parts = message.content if isinstance(message.content, list) else []
    return tuple(
        parsing.image_of(
            f"messages[{at}].content[{number}].image_url",
            model,
            part.image_url.url if part.image_url else None,
            detail=part.image_url.detail if part.image_url else None,
        )
        for number, part in enumerate(parts)
        if part.type == "image_url"
    )
