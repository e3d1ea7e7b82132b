"""`POST /v1/responses`: the same answers as chat completions, told as items and events."""

from contextlib import aclosing
from typing import Any

import msgspec
from django.conf import settings

from apps.api.exchange import Exchange
from apps.api.openai import parsing
from apps.api.openai.caller import Caller
from apps.api.openai.calls import Answer, Answering, stream_answer, whole_answer
from apps.api.openai.failures import error_document
from apps.api.openai.responses_request import ResponsesRequest, decode_responses, model_request
from apps.core import clock
from apps.core.errors import KarenError, RateLimited
from apps.core.ids import new_id
from apps.core.metrics import errors_total
from apps.providers.contracts import Finished, FinishReason, TextDelta, ToolCall, Usage

_json = msgspec.json.Encoder().encode

Item = dict[str, Any]

_INCOMPLETE = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}


async def answer_response(exchange: Exchange, caller: Caller) -> None:
    """Answer with a plain model or an assistant.

    Raises:
        ParameterInvalid: Something in the request does not fit.
        ParameterUnsupported: Something is not offered.
        KarenError: As the gateway, before the first piece of a streamed answer.
    """
    body = await exchange.body(limit=settings.API_BODY_MAX_BYTES)
    asked = parsing.parsed(decode_responses, body)
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
            response = Response(asked, model=answering.model)
            response.items = _items(answer)
            await exchange.answer(response.finished(answer.reason, answer.usage))


def _items(answer: Answer) -> list[Item]:
    items = [_message_item(answer.text)] if answer.texts or not answer.calls else []
    return items + [_call_item(call) for call in answer.calls]


def _message_item(text: str, *, item_id: str = "", status: str = "completed") -> Item:
    return {
        "id": item_id or f"msg_{new_id().hex}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [_text_part(text)] if status == "completed" else [],
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call_item(call: ToolCall, *, item_id: str = "", status: str = "completed") -> Item:
    return {
        "id": item_id or f"fc_{new_id().hex}",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments if status == "completed" else "",
    }


class Response:
    """The object that a response is, at any moment of its life."""

    def __init__(self, asked: ResponsesRequest, *, model: str) -> None:
        self._asked = asked
        self._model = model
        self.id = f"resp_{new_id().hex}"
        self._created = clock.now().timestamp()
        self.items: list[Item] = []

    def document(self, status: str, **more: object) -> dict[str, Any]:
        """Return the object with this status."""
        asked = self._asked
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self._created),
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "model": self._model,
            "output": self.items,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {"effort": asked.reasoning and asked.reasoning.effort, "summary": None},
            "store": False,
            "temperature": 1.0 if asked.temperature is None else asked.temperature,
            "text": {"format": (asked.text and asked.text.format) or {"type": "text"}},
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "top_p": 1.0 if asked.top_p is None else asked.top_p,
            "truncation": "disabled",
            "usage": None,
            **more,
        }

    def finished(self, reason: FinishReason, usage: Usage) -> dict[str, Any]:
        """Return the object of an answer that ended by itself."""
        consumed = {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }
        cut = _INCOMPLETE.get(reason)
        if cut:
            return self.document("incomplete", incomplete_details={"reason": cut}, usage=consumed)
        return self.document("completed", usage=consumed)


class EventWriter:
    """Writes the events of one response."""

    def __init__(self, asked: ResponsesRequest, *, model: str) -> None:
        self.response = Response(asked, model=model)
        self._answer = Answer()
        self._number = 0
        self._begun = False
        self._message_id = ""

    def encode(self, batch: list[Any]) -> bytes:
        """Return the events of some of the model's events."""
        pieces = self._begin() if not self._begun else []
        for event in batch:
            self._answer.take(event)
            if isinstance(event, TextDelta):
                pieces += self._text(event.text)
            elif isinstance(event, ToolCall):
                pieces += self._close_message()
                pieces += self._call(event)
            elif isinstance(event, Finished):
                if not self.response.items and not self._message_id:
                    pieces += self._open_message()  # an empty answer is one as well
                pieces += self._close_message()
                pieces.append(self._end())
        return b"".join(pieces)

    def failed(self, error: KarenError) -> bytes:
        """Return the events of an answer that broke off."""
        described = error_document(error)["error"]
        text = described["message"]
        # Typed clients know a short list of codes here; the exact one is in the other event.
        known = "rate_limit_exceeded" if isinstance(error, RateLimited) else "server_error"
        document = self.response.document("failed", error={"code": known, "message": text})
        told = self._event("error", code=described["code"], message=text, param=described["param"])
        return told + self._event("response.failed", response=document)

    def _event(self, kind: str, **fields: object) -> bytes:
        number, self._number = self._number, self._number + 1
        data = _json({"type": kind, "sequence_number": number, **fields})
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    def _begin(self) -> list[bytes]:
        self._begun = True
        document = self.response.document("in_progress")
        return [
            self._event("response.created", response=document),
            self._event("response.in_progress", response=document),
        ]

    def _end(self) -> bytes:
        document = self.response.finished(self._answer.reason, self._answer.usage)
        return self._event(f"response.{document['status']}", response=document)

    def _place(self) -> dict[str, object]:
        return {"item_id": self._message_id, "output_index": len(self.response.items)}

    def _open_message(self) -> list[bytes]:
        self._message_id = f"msg_{new_id().hex}"
        item = _message_item("", item_id=self._message_id, status="in_progress")
        index = len(self.response.items)
        return [
            self._event("response.output_item.added", output_index=index, item=item),
            self._event(
                "response.content_part.added",
                **self._place(),
                content_index=0,
                part=_text_part(""),
            ),
        ]

    def _text(self, text: str) -> list[bytes]:
        opened = [] if self._message_id else self._open_message()
        delta = self._event(
            "response.output_text.delta",
            **self._place(),
            content_index=0,
            delta=text,
            logprobs=[],
        )
        return [*opened, delta]

    def _close_message(self) -> list[bytes]:
        if not self._message_id:
            return []
        text, place = self._answer.text, {**self._place(), "content_index": 0}
        item = _message_item(text, item_id=self._message_id)
        index = len(self.response.items)
        events = [
            self._event("response.output_text.done", **place, text=text, logprobs=[]),
            self._event("response.content_part.done", **place, part=_text_part(text)),
            self._event("response.output_item.done", output_index=index, item=item),
        ]
        self.response.items.append(item)
        self._message_id = ""
        self._answer.texts.clear()
        return events

    def _call(self, call: ToolCall) -> list[bytes]:
        index = len(self.response.items)
        item = _call_item(call)
        place = {"item_id": item["id"], "output_index": index}
        begun = _call_item(call, item_id=item["id"], status="in_progress")
        arguments = call.arguments
        self.response.items.append(item)
        kind = "response.function_call_arguments"
        return [
            self._event("response.output_item.added", output_index=index, item=begun),
            self._event(f"{kind}.delta", **place, delta=arguments),
            self._event(f"{kind}.done", **place, name=call.name, arguments=arguments),
            self._event("response.output_item.done", output_index=index, item=item),
        ]


async def _stream(exchange: Exchange, asked: ResponsesRequest, answering: Answering) -> None:
    writer: EventWriter | None = None
    try:
        async with exchange.heartbeat(), aclosing(answering.batches) as batches:
            async for batch in batches:
                if writer is None:  # only now it is known who answers
                    writer = EventWriter(asked, model=answering.model)
                data = writer.encode(batch)
                if isinstance(batch[-1], Finished):
                    await exchange.finish(data)
                    return
                await exchange.write(data)
    except KarenError as error:
        if not exchange.started:
            raise
        errors_total.labels(error.code, "openai").inc()
        writer = writer or EventWriter(asked, model=answering.model)
        await exchange.finish(writer.failed(error))
