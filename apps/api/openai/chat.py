"""`POST /v1/chat/completions`."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from django.conf import settings

from apps.api.exchange import Exchange
from apps.api.openai import parsing
from apps.api.openai.caller import Caller
from apps.api.openai.calls import Answer, Answering, stream_answer, whole_answer
from apps.api.openai.chat_request import ChatRequest, decode_chat, model_request
from apps.core import clock
from apps.core.ids import new_id
from apps.providers.contracts import (
    Finished,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)

_DONE = b"data: [DONE]\n\n"
_json = msgspec.json.Encoder().encode


async def answer_chat(exchange: Exchange, caller: Caller) -> None:
    """Answer a chat with a plain model or an assistant.

    Raises:
        ParameterInvalid: Something in the request does not fit.
        ParameterUnsupported: Something is not offered.
        KarenError: As the gateway, before the first piece of a streamed answer.
    """
    asked = parsing.parsed(decode_chat, await exchange.body(limit=settings.API_BODY_MAX_BYTES))
    answering = stream_answer(
        caller,
        asked.model,
        lambda model: model_request(asked, model, partition=caller.partition),
    )
    async with exchange.while_client_waits():
        if asked.stream:
            await _stream(exchange, asked, answering)
        else:
            answer = await whole_answer(answering.batches)
            await exchange.answer(_completion(answering.model, answer))


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _created() -> int:
    return int(clock.now().timestamp())


def _completion(model: str, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text if answer.texts or not answer.calls else None,
        "refusal": None,
    }
    if answer.thoughts:
        message["reasoning_content"] = "".join(answer.thoughts)
    if answer.calls:
        message["tool_calls"] = [_call(call) for call in answer.calls]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.reason.value,
    }
    return {
        "id": f"chatcmpl-{new_id().hex}",
        "object": "chat.completion",
        "created": _created(),
        "model": model,
        "choices": [choice],
        "usage": _usage(answer.usage),
    }


class ChunkWriter:
    """Writes the chunks of one answer.

    Nearly all of a chunk is the same from the first to the last, so the pieces around what changes
    are made once; a chunk then costs one encoded text.
    """

    def __init__(self, model: str, *, with_usage: bool) -> None:
        head = _json(
            {
                "id": f"chatcmpl-{new_id().hex}",
                "object": "chat.completion.chunk",
                "created": _created(),
                "model": model,
            }
        )
        self._head = b"data: " + head[:-1]
        # With usage asked for, every chunk has the field and all but the last say null.
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"
        self._with_usage = with_usage
        self._open = self._head + b',"choices":[{"index":0,"delta":'
        self._close = b',"logprobs":null,"finish_reason":null}]' + self._tail
        self._text_open = self._open + b'{"content":'
        self._text_close = b"}" + self._close
        self._begun = False
        self._calls = 0
        self._usage: Usage | None = None

    def encode(self, events: Sequence[ProviderEvent]) -> bytes:
        """Return the chunks of some events."""
        pieces: list[bytes] = []
        if not self._begun:
            self._begun = True
            pieces.append(self._delta({"role": "assistant", "content": "", "refusal": None}))
        for event in events:
            if isinstance(event, TextDelta):  # nearly always, so it is asked first
                pieces += (self._text_open, _json(event.text), self._text_close)
            else:
                pieces.append(self._rarer(event))
        return b"".join(pieces)

    def _rarer(self, event: ProviderEvent) -> bytes:
        match event:
            case ReasoningDelta(text=text):
                return self._delta({"reasoning_content": text})
            case ToolCall():
                call = {"index": self._calls, **_call(event)}
                self._calls += 1
                return self._delta({"tool_calls": [call]})
            case UsageReport(usage=usage):
                self._usage = usage
                return b""
            case Finished(reason=reason):
                return self._end(reason.value)
            case _:
                return b""

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._open + _json(delta) + self._close

    def _end(self, reason: str) -> bytes:
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": reason}
        last = self._head + b',"choices":' + _json([choice]) + self._tail
        if self._with_usage and self._usage is not None:
            usage = _json(_usage(self._usage))
            last += self._head + b',"choices":[],"usage":' + usage + b"}\n\n"
        return last + _DONE


async def _stream(exchange: Exchange, asked: ChatRequest, answering: Answering) -> None:
    """Send the chunks; the door turns an error in the middle into an event without `[DONE]`."""
    writer: ChunkWriter | None = None
    async with exchange.heartbeat(), aclosing(answering.batches) as batches:
        async for batch in batches:
            if writer is None:  # only now it is known who answers
                writer = ChunkWriter(answering.model, with_usage=asked.wants_usage)
            data = writer.encode(batch)
            if isinstance(batch[-1], Finished):
                await exchange.finish(data)
                return
            await exchange.write(data)
