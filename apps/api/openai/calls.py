"""Asking a plain model, wherever it runs, and what is known when it has answered."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias

from apps.api.openai import assistants
from apps.api.openai.caller import Caller
from apps.providers import gateway, pipe
from apps.providers.contracts import (
    Finished,
    FinishReason,
    Flow,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)

Batches: TypeAlias = AsyncGenerator[list[ProviderEvent], None]


def stream_answer(caller: Caller, model: ModelInfo | None, request: ModelRequest) -> Batches:
    """Yield the answer's events in batches, the last of which is `Finished`.

    Closing the generator stops the model. While it runs no database connection is held.

    Raises:
        KarenError: As `gateway.stream_batches` and `pipe.stream_in_worker`.
    """
    if model is None:
        return assistants.stream_assistant(caller, request)
    if model.in_process:
        return pipe.stream_in_worker(flow=Flow.API_ANSWER, request=request, origin=caller.origin)
    return gateway.stream_batches(flow=Flow.API_ANSWER, request=request, origin=caller.origin)


@dataclass(slots=True)
class Answer:
    """Everything a model said."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage = field(
        default_factory=lambda: Usage(prompt_tokens=0, completion_tokens=0, estimated=True)
    )
    reason: FinishReason = FinishReason.STOP

    @property
    def text(self) -> str:
        """What people see of it."""
        return "".join(self.texts)

    def take(self, event: ProviderEvent) -> None:
        """Add one event."""
        match event:
            case TextDelta(text=text):
                self.texts.append(text)
            case ReasoningDelta(text=text):
                self.thoughts.append(text)
            case ToolCall():
                self.calls.append(event)
            case UsageReport(usage=usage):
                self.usage = usage
            case Finished(reason=reason):
                self.reason = reason


async def whole_answer(batches: Batches) -> Answer:
    """Return the answer once it is complete."""
    answer = Answer()
    async with aclosing(batches):
        async for batch in batches:
            for event in batch:
                answer.take(event)
    return answer
