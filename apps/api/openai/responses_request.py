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


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None


class _Item(msgspec.Struct):
    """A message, a tool's call or its result; which fields count depends on `type`."""

    type: str = "message"
    role: str | None = None
    content: str | list[_Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[_Part] | None = None


class _Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: dict[str, Any] | None = None


class ResponsesRequest(msgspec.Struct):
    """The body; parameters that change nothing here (`user`, `include`, …) are passed over."""

    model: str
    input: str | list[_Item]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    metadata: dict[str, str] | None = None
    # Known and refused when they ask for something.
    background: bool | None = None
    conversation: Any = None
    previous_response_id: str | None = None
    prompt: Any = None


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
}


def model_request(asked: ResponsesRequest, model: ModelInfo, *, partition: str) -> ModelRequest:
    """Return what the gateway is asked.

    Raises:
        ParameterInvalid: Something does not fit; names it.
        ParameterUnsupported: Something is not offered here or by this model.
    """
    parsing.in_range("temperature", asked.temperature, least=0, most=2)
    parsing.in_range("top_p", asked.top_p, least=0, most=1)
    given = {name: getattr(asked, name) for name in _UNSUPPORTED}
    parsing.refuse_given(given, _UNSUPPORTED)
    tools = parsing.checked_tools(model, _specs(asked.tools or ()))
    choice = asked.tool_choice
    name = choice.get("name") if isinstance(choice, dict) else None
    return ModelRequest(
        model=model.id,
        messages=_messages(asked, model),
        max_tokens=parsing.token_limit("max_output_tokens", asked.max_output_tokens, model),
        temperature=1.0 if asked.temperature is None else asked.temperature,
        partition=partition,
        tools=tools,
        tool_choice=parsing.checked_choice(choice, name, tools),
        response_format=_format(asked, model),
        sampling=parsing.sampling_of(top_p=asked.top_p),
    )


def _format(asked: ResponsesRequest, model: ModelInfo) -> str:
    wanted = asked.text.format if asked.text else None
    if wanted is not None and wanted.get("type") == "json_schema":
        # The same schema, which chat completions want one level deeper.
        schema = {name: value for name, value in wanted.items() if name != "type"}
        wanted = {"type": "json_schema", "json_schema": schema}
    return parsing.format_of(model, "text.format", wanted)


def _specs(tools: Sequence[_Tool]) -> list[ToolSpec]:
    for at, tool in enumerate(tools):
        if tool.type != "function":
            raise ParameterUnsupported(f"tools[{at}].type", _("Only function tools are offered."))
    return [
        ToolSpec(
            name=tool.name,
            description=tool.description or "",
            parameters=tool.parameters or {"type": "object", "properties": {}},
        )
        for tool in tools
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
            return ChatMessage(role=role, text=_text(where, item.content), images=images)
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


def _text(place: str, content: str | list[_Part] | None) -> str:
    if content is None:
        raise ParameterInvalid(place, _("It says nothing."))
    if isinstance(content, str):
        return content
    texts = []
    for at, part in enumerate(content):
        if part.type not in {*_TEXTS, "refusal", "input_image"}:
            text = _("Send texts and images.")
            raise ParameterUnsupported(f"{place}[{at}].type", text)
        texts.append(part.text or part.refusal or "")
    return "".join(texts)


def _images(
    place: str, content: str | list[_Part] | None, model: ModelInfo
) -> tuple[ImageData, ...]:
    return tuple(
        parsing.image_of(f"{place}[{at}].image_url", model, part.image_url)
        for at, part in enumerate(content if isinstance(content, list) else ())
        if part.type == "input_image"
    )
