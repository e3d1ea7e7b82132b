"""OpenAI's chat completions on the wire: requests out, chunks in. No I/O, no SDK."""

import base64
import contextlib
from typing import Any

import msgspec

from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    Role,
    TextDelta,
    ToolCall,
    ToolSpec,
    Usage,
    UsageReport,
)
from apps.providers.domain.profiles import profile_of
from apps.providers.errors import ProviderInterrupted, ProviderRejected, ProviderUnavailable

_FINISH = {
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolPart(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolPart] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def usage(self) -> Usage:
        read, wrote = self.prompt_tokens_details, self.completion_tokens_details
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            estimated=False,
            reasoning_tokens=(wrote.reasoning_tokens if wrote else None) or 0,
            cached_tokens=(read.cached_tokens if read else None) or 0,
        )


_NOT_THERE = msgspec.Raw(b"null")


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: msgspec.Raw = _NOT_THERE  # a union of it and None takes null only
    error: msgspec.Raw = _NOT_THERE


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_usage = msgspec.json.Decoder(_Usage | None).decode


def _content(message: ChatMessage) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    for image in message.images:
        data = base64.b64encode(image.data).decode("ascii")
        url = f"data:{image.media_type};base64,{data}"
        picture = {"url": url, "detail": image.detail} if image.detail else {"url": url}
        parts.append({"type": "image_url", "image_url": picture})
    return parts


def _sound_arguments(text: str) -> str:
    # Servers whose chat template parses them (vLLM, llama-server) refuse a whole conversation for
    # one call that the model botched; what it wrote stays visible to it.
    try:
        whole = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeError):
        whole = None
    if isinstance(whole, dict):
        return text or "{}"
    return msgspec.json.encode({"invalid_json": text}).decode()


def _message(message: ChatMessage) -> dict[str, Any]:
    if message.role is Role.TOOL:
        if message.tool_call_id:
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
        # A tool's result without its call id is only accepted as something the user says.
        return {"role": "user", "content": message.text}
    wire: dict[str, Any] = {"role": message.role.value, "content": _content(message)}
    if message.name:
        wire["name"] = message.name
    if message.tool_calls:
        wire["content"] = message.text or None
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _sound_arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    return wire


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _options(request: ModelRequest) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if request.tools:
        options["tools"] = [_tool(tool) for tool in request.tools]
        choice = request.tool_choice
        if choice in {"auto", "none", "required"}:
            options["tool_choice"] = choice
        elif choice:
            options["tool_choice"] = {"type": "function", "function": {"name": choice}}
    if request.stop:
        options["stop"] = list(request.stop)
    if request.response_format:
        try:
            options["response_format"] = msgspec.json.decode(request.response_format)
        except msgspec.DecodeError as error:
            raise ProviderRejected from error
    return options


def arguments_of(request: ModelRequest) -> dict[str, Any]:
    """Return the body of a streaming request.

    Raises:
        ProviderRejected: `response_format` is no JSON.
    """
    name = request.model.partition("/")[2]
    arguments: dict[str, Any] = {
        "model": name,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    profile = profile_of(name)
    # A limit beyond the context says nothing, and some endpoints refuse it.
    if request.max_tokens < profile.context_tokens:
        field = "max_completion_tokens" if profile.reasoning else "max_tokens"
        arguments[field] = request.max_tokens
    if not profile.reasoning:
        arguments["temperature"] = request.temperature
    return arguments | dict(request.sampling) | _options(request)


class AnswerParts:
    """Puts the pieces of one answer together."""

    def __init__(self) -> None:
        self._tools: list[_ToolPart] = []
        self._open: dict[int, _ToolPart] = {}  # by the index that the chunks name
        self._usage: _Usage | None = None
        self._finish: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the model has said why it stopped; only usage may still come."""
        return self._finish is not None

    def events(self, data: bytes) -> list[ProviderEvent]:
        """Take in one chunk and return what can be shown of it.

        Raises:
            ProviderUnavailable: The chunk is an error report.
            msgspec.DecodeError: It is not a chunk.
        """
        if data == b"[DONE]":
            return []
        chunk = _decode(data)
        if bytes(chunk.error) != b"null":
            raise ProviderUnavailable
        if chunk.usage is not _NOT_THERE:
            # A report of nonsense is no report: it must not cost the answer.
            with contextlib.suppress(msgspec.DecodeError):
                self._usage = _decode_usage(chunk.usage) or self._usage
        events: list[ProviderEvent] = []
        for choice in chunk.choices[:1]:
            if choice.finish_reason:
                self._finish = choice.finish_reason
            delta = choice.delta
            if delta is None:
                continue
            thought = delta.reasoning_content or delta.reasoning
            if thought:
                events.append(ReasoningDelta(text=thought))
            said = delta.content or delta.refusal  # a refusal takes the answer's place
            if said:
                events.append(TextDelta(text=said))
            for part in delta.tool_calls or ():
                self._add_tool(part)
        return events

    def _add_tool(self, part: _ToolPart) -> None:
        # Some servers leave the index out, or say 0 for every one of several calls: there a new
        # id begins a new call.
        index = part.index if part.index is not None else max(self._open, default=0)
        whole = self._open.get(index)
        if whole is None or (part.id and whole.id and part.id != whole.id):
            whole = _ToolPart(function=_Function("", ""))
            self._open[index] = whole
            self._tools.append(whole)
        whole.id = part.id or whole.id
        if part.function is not None and whole.function is not None:
            whole.function.name = part.function.name or whole.function.name
            whole.function.arguments = (whole.function.arguments or "") + (
                part.function.arguments or ""
            )

    def end(self) -> list[ProviderEvent]:
        """Return what is known only at the end: tool calls, usage, `Finished`.

        Raises:
            ProviderInterrupted: No finish reason was given: the answer is not complete.
        """
        if self._finish is None:
            raise ProviderInterrupted
        events: list[ProviderEvent] = [
            ToolCall(
                id=part.id or f"call_{index}",
                name=part.function.name or "",
                arguments=part.function.arguments or "{}",
            )
            for index, part in enumerate(self._tools)
            if part.function is not None
        ]
        if self._usage is not None:
            events.append(UsageReport(usage=self._usage.usage()))
        reason = _FINISH.get(self._finish, FinishReason.STOP)
        if self._tools and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        events.append(Finished(reason=reason))
        return events
