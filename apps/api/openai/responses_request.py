"""What `POST /v1/responses` takes. Nothing is stored, so nothing earlier can be referred to."""

from collections.abc import Sequence
from typing import Any

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

# As in `chat_request`: fields that nobody here knows are refused by name.


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Part(_Strict):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    annotations: Any = None
    logprobs: Any = None
    # Of kinds that are refused by their type, or by the image that is missing.
    file_id: Any = None
    file_url: Any = None
    file_data: Any = None
    filename: Any = None


class _Item(_Strict):
    """A message, a tool's call or its result; which fields count depends on `type`."""

    type: str = "message"
    role: str | None = None
    content: str | list[_Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[_Part] | None = None
    id: Any = None
    status: Any = None
    # Of reasoning, which is passed over whole.
    summary: Any = None
    encrypted_content: Any = None


class _Text(_Strict):
    format: dict[str, Any] | None = None
    verbosity: str | None = None


class _Reasoning(_Strict):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _StreamOptions(_Strict):
    include_obfuscation: bool | None = None


class ResponsesRequest(_Strict):
    """The body; `user` and the like change nothing here and are passed over.

    `store` is answered with false in the response: nothing is kept.
    """

    model: str
    input: str | list[_Item]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: _Reasoning | None = None
    text: _Text | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    # Known and refused when they ask for something.
    background: bool | None = None
    conversation: Any = None
    previous_response_id: str | None = None
    prompt: Any = None
    include: list[str] | None = None
    truncation: str | None = None
    max_tool_calls: int | None = None
    top_logprobs: int | None = None
    service_tier: str | None = None
    # They ask nothing of the answer.
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None


decode_responses = msgspec.json.Decoder(ResponsesRequest).decode

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
_TEXTS = {"input_text", "output_text", "text"}
_UNSUPPORTED: dict[str, object] = {
    "background": False,
    "conversation": None,
    "previous_response_id": None,
    "prompt": None,
    "truncation": "disabled",
    "max_tool_calls": None,
    "top_logprobs": 0,
}
_TIERS = {None, "auto", "default"}
# Codex and others always ask for it; models behind chat completions have none to include.
_INCLUDED = {"reasoning.encrypted_content"}


def model_request(asked: ResponsesRequest, model: ModelInfo, *, partition: str) -> ModelRequest:
    """Return what the gateway is asked.

    Raises:
        ParameterInvalid: Something does not fit; names it.
        ParameterUnsupported: Something is not offered here or by this model.
    """
    _check(asked)
    tools = parsing.checked_tools(model, _specs(asked.tools or (), model))
    choice = asked.tool_choice
    name = choice.get("name") if isinstance(choice, dict) else None
    return ModelRequest(
        model=model.id,
        messages=_messages(asked, model),
        max_tokens=parsing.token_limit("max_output_tokens", asked.max_output_tokens, model),
        temperature=parsing.temperature_of(model, asked.temperature),
        partition=partition,
        tools=tools,
        tool_choice=parsing.checked_choice(choice, name, tools),
        response_format=_format(asked, model),
        sampling=parsing.sampling_of(
            model,
            top_p=asked.top_p,
            reasoning_effort=asked.reasoning.effort if asked.reasoning else None,
            verbosity=asked.text.verbosity if asked.text else None,
            # Without tools it asks for nothing, and endpoints refuse it.
            parallel_tool_calls=asked.parallel_tool_calls if tools else None,
        ),
    )


def _check(asked: ResponsesRequest) -> None:
    parsing.in_range("top_p", asked.top_p, least=0, most=1)
    given = {name: getattr(asked, name) for name in _UNSUPPORTED}
    parsing.refuse_given(given, _UNSUPPORTED)
    if set(asked.include or ()) - _INCLUDED:
        raise ParameterUnsupported("include")
    if asked.service_tier not in _TIERS:
        raise ParameterUnsupported("service_tier")
    if asked.reasoning is not None:
        for name in ("summary", "generate_summary"):
            if getattr(asked.reasoning, name) is not None:
                raise ParameterUnsupported(f"reasoning.{name}")


def _format(asked: ResponsesRequest, model: ModelInfo) -> str:
    wanted = asked.text.format if asked.text else None
    if wanted is not None and wanted.get("type") == "json_schema":
        # The same schema, which chat completions want one level deeper.
        schema = {name: value for name, value in wanted.items() if name != "type"}
        wanted = {"type": "json_schema", "json_schema": schema}
    return parsing.format_of(model, "text.format", wanted)


def _specs(tools: Sequence[dict[str, Any]], model: ModelInfo) -> list[ToolSpec]:
    for at, tool in enumerate(tools):
        if tool.get("type") != "function":
            raise ParameterUnsupported(f"tools[{at}].type", _("Only function tools are offered."))
    return [
        parsing.tool_of(
            f"tools[{at}]", {name: tool[name] for name in tool if name != "type"}, model
        )
        for at, tool in enumerate(tools)
    ]


def _messages(asked: ResponsesRequest, model: ModelInfo) -> tuple[ChatMessage, ...]:
    messages: list[ChatMessage] = []
    if asked.instructions:
        messages.append(ChatMessage(role=Role.SYSTEM, text=asked.instructions))
    if isinstance(asked.input, str):
        return (*messages, ChatMessage(role=Role.USER, text=asked.input))
    if not asked.input:
        raise ParameterInvalid("input", _("input must not be empty."))
    for at, item in enumerate(asked.input):
        message = _message(f"input[{at}]", item, model)
        if message is None:
            continue
        before = messages[-1] if messages else None
        if message.tool_calls and before is not None and before.role is Role.ASSISTANT:
            # What the model did in one go stands in several items here.
            calls = (*before.tool_calls, *message.tool_calls)
            messages[-1] = ChatMessage(role=Role.ASSISTANT, text=before.text, tool_calls=calls)
        else:
            messages.append(message)
    if not messages:
        raise ParameterInvalid("input", _("input holds no message."))
    return tuple(messages)


def _message(place: str, item: _Item, model: ModelInfo) -> ChatMessage | None:
    match item.type:
        case "message":
            role = _ROLES.get(item.role or "")
            if role is None:
                text = _("A message's role is user, assistant, system or developer.")
                raise ParameterInvalid(f"{place}.role", text)
            where = f"{place}.content"
            images = _images(where, item.content, model) if role is Role.USER else ()
            text = _text(where, item.content, images=role is Role.USER)
            return ChatMessage(role=role, text=text, images=images)
        case "function_call":
            if not item.call_id or not item.name:
                raise ParameterInvalid(place, _("A function_call has a call_id and a name."))
            call = ToolCall(id=item.call_id, name=item.name, arguments=item.arguments or "{}")
            return ChatMessage(role=Role.ASSISTANT, text="", tool_calls=(call,))
        case "function_call_output":
            if not item.call_id:
                raise ParameterInvalid(f"{place}.call_id", _("It says which call it answers."))
            output = _text(f"{place}.output", item.output)
            return ChatMessage(role=Role.TOOL, text=output, tool_call_id=item.call_id)
        case "reasoning":
            return None  # what a model thought is its own; the next answer does without
        case _:
            raise ParameterUnsupported(f"{place}.type", _("This kind of input is not offered."))


def _text(place: str, content: str | list[_Part] | None, *, images: bool = False) -> str:
    if content is None:
        raise ParameterInvalid(place, _("It says nothing."))
    if isinstance(content, str):
        return content
    kinds = {*_TEXTS, "refusal", *(("input_image",) if images else ())}
    texts = []
    for at, part in enumerate(content):
        if part.type not in kinds:
            text = _("Send texts, and images of the user's.")
            raise ParameterUnsupported(f"{place}[{at}].type", text)
        texts.append(part.text or part.refusal or "")
    return "".join(texts)


def _images(
    place: str, content: str | list[_Part] | None, model: ModelInfo
) -> tuple[ImageData, ...]:
    return tuple(
        parsing.image_of(f"{place}[{at}].image_url", model, part.image_url, detail=part.detail)
        for at, part in enumerate(content if isinstance(content, list) else ())
        if part.type == "input_image"
    )
