"""What a model is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageData:
    """A picture for a model that sees.

    Attributes:
        media_type: Such as `image/png`.
        data: The file.
        detail: How closely to look, in OpenAI's words; empty leaves it to the model.
    """

    media_type: str
    data: bytes
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for a tool; `arguments` is the JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of a prompt.

    Attributes:
        role: Who wrote it.
        text: Its text; for `Role.TOOL` what the tool returned.
        tool_calls: What the assistant asked for in this message.
        tool_call_id: Which call a message of `Role.TOOL` answers.
        images: Pictures beside the text; only for models with `ModelInfo.supports_vision`.
        name: Which of several writers with this role it was; empty for the only one.
        retrieved: It holds what was found elsewhere (files, memories, pages): data, never orders.
            Guardrails look at it as at what a tool returned; providers are not told.
    """

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    images: tuple[ImageData, ...] = ()
    name: str = ""
    retrieved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool the model may ask for.

    Attributes:
        name: What the model calls it.
        description: What it does, in words for the model.
        parameters: JSON Schema of its arguments.
        strict: Whether the model must keep to the schema exactly; None leaves it to the model.
    """

    name: str
    description: str
    parameters: Mapping[str, object]
    strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One question to one model.

    Attributes:
        model: Model id such as `local/smollm2-135m-instruct`.
        messages: The prompt, oldest first.
        max_tokens: Most tokens the answer may have.
        temperature: 0 for the most likely answer, up to 2 for the most varied.
        partition: Opaque `<tenant id>:<conversation id>`. Whatever a model keeps between calls
            (KV prefixes) is reused only inside one partition, never across.
        tools: Tools the model may ask for.
        stop: Texts at which the answer ends; they are not part of it.
        tool_choice: `auto`, `none`, `required`, or the name of the one tool to call; None leaves
            it to the model.
        response_format: JSON text of OpenAI's `response_format`; empty for free text.
        sampling: Further parameters by OpenAI's names, such as `top_p` and `reasoning_effort`;
            only such as stand in `ModelInfo.takes`.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float
    partition: str
    tools: tuple[ToolSpec, ...] = ()
    stop: tuple[str, ...] = ()
    tool_choice: str | None = None
    response_format: str = ""
    sampling: tuple[tuple[str, float | int | str | bool], ...] = ()
