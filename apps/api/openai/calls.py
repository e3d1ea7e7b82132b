"""Asking a model or an assistant, wherever it runs, and what is known when it has answered.

A model that was named is asked and no other, unless a policy of the workspace names fallbacks.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias

from apps.api.openai import assistants, listing
from apps.api.openai.caller import Caller
from apps.api.openai.failover import AUTO, Build, Search, choose_first, named
from apps.core.errors import KarenError
from apps.providers import gateway, pipe, selectors as providers
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


@dataclass(slots=True)
class Answering:
    """An answer on its way.

    Attributes:
        model: Who gives it; known for good once the first events are there.
        batches: The answer's events, the last of which is `Finished`. Closing stops the model.
            While it runs no database connection is held.
    """

    model: str
    batches: Batches


def stream_answer(caller: Caller, asked: str, build: Build) -> Answering:
    """Ask the model, the assistant, or with `auto` whom routing chooses.

    Args:
        caller: Who asks.
        asked: The id they gave.
        build: Makes the request for a model; refuses what it cannot honour.

    Raises:
        ModelNotFound: There is no model of this id.
        RouteRefused: A policy excludes the model, or every one.
        KarenError: As `build`; the events raise what `gateway.stream_batches` raises.
    """
    if assistants.is_assistant(asked):
        request = build(assistants.described(asked))
        return Answering(asked, assistants.stream_assistant(caller, request))
    if asked == AUTO:
        return _with_fallbacks(choose_first(caller, build))
    model = listing.find_plain_model(asked)
    request = build(model)
    if providers.has_policies():
        return _with_fallbacks(named(caller, model, request, build))
    return Answering(asked, stream_plain(caller, model, request))


def _with_fallbacks(search: Search) -> Answering:
    answering: Answering

    def told(model: ModelInfo) -> None:
        answering.model = model.id

    answering = Answering(search.model.id, _first_that_answers(search, told))
    return answering


async def _first_that_answers(search: Search, tell: Callable[[ModelInfo], None]) -> Batches:
    """Ask one after the other until one begins to answer; nobody is asked after the first event."""
    first: KarenError | None = None
    while True:
        begun = False
        try:
            batches = stream_plain(search.caller, search.model, search.request)
            async with aclosing(batches):
                async for batch in batches:
                    if not begun:
                        begun = True
                        tell(search.model)
                    yield batch
            return
        except KarenError as error:
            first = first or error
            if begun:
                raise
            if not await search.go_on(error):
                # What became of the model that was asked for says more than its deputies' trouble.
                raise first from None


def stream_plain(caller: Caller, model: ModelInfo, request: ModelRequest) -> Batches:
    """Yield the events of one model, wherever it runs.

    Raises:
        KarenError: As `gateway.stream_batches` and `pipe.stream_in_worker`.
    """
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
