"""OpenAI's chat completions on the wire: requests out, chunks in. No I/O, no SDK."""

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
    Usage,
    UsageReport,
)
from apps.providers.domain.profiles import profile_of
from apps.providers.errors import ProviderInterrupted, ProviderUnavailable

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
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolPart] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def _message(message: ChatMessage) -> dict[str, Any]:
    if message.role is Role.TOOL:
        if message.tool_call_id:
            return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
        # A tool's result without its call id is only accepted as something the user says.
        return {"role": "user", "content": message.text}
    if not message.tool_calls:
        return {"role": message.role.value, "content": message.text}
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in message.tool_calls
    ]
    return {"role": message.role.value, "content": message.text or None, "tool_calls": calls}


def _choice(choice: str) -> object:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


def arguments_of(request: ModelRequest) -> dict[str, Any]:
    """Return the body of a streaming request."""
    name = request.model.partition("/")[2]
    profile = profile_of(name)
    arguments: dict[str, Any] = {
        "model": name,
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    # A limit beyond the context says nothing, and some endpoints refuse it.
    if request.max_tokens < profile.context_tokens:
        field = "max_completion_tokens" if profile.reasoning else "max_tokens"
        arguments[field] = request.max_tokens
    if not profile.reasoning:
        arguments["temperature"] = request.temperature
        arguments |= dict(request.sampling)
    if request.stop:
        arguments["stop"] = list(request.stop)
    if request.response_format:
        arguments["response_format"] = msgspec.json.decode(request.response_format)
    if request.tools:
        arguments["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in request.tools
        ]
        if request.tool_choice is not None:
            arguments["tool_choice"] = _choice(request.tool_choice)
    return arguments


class AnswerParts:
    """Puts the pieces of one answer together."""

    def __init__(self) -> None:
        self._tools: dict[int, _ToolPart] = {}
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
        if chunk.error is not None and bytes(chunk.error) != b"null":
            raise ProviderUnavailable
        if chunk.usage is not None:
            self._usage = chunk.usage
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
            if delta.content:
                events.append(TextDelta(text=delta.content))
            for part in delta.tool_calls or ():
                self._add_tool(part)
        return events

    def _add_tool(self, part: _ToolPart) -> None:
        whole = self._tools.setdefault(part.index, _ToolPart(function=_Function("", "")))
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
            for index, part in sorted(self._tools.items())
            if part.function is not None
        ]
        if self._usage is not None:
            usage = Usage(
                prompt_tokens=self._usage.prompt_tokens,
                completion_tokens=self._usage.completion_tokens,
                estimated=False,
            )
            events.append(UsageReport(usage=usage))
        reason = _FINISH.get(self._finish, FinishReason.STOP)
        if self._tools and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        events.append(Finished(reason=reason))
        return events
