"""The scripted model: deterministic, free, offline. For demos, tests and trying out Karen.

What it does is written in the last user message (`apps.providers.domain.script`), so the same
conversation shows the same behaviour in a browser, in a test and in a benchmark. `echo/plain`
follows the script; `echo/slow` does so with a pause of 50 ms before each piece.
"""

import asyncio
from collections.abc import AsyncGenerator

from apps.providers.adapters.stopping import until_stop
from apps.providers.contracts import (
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
from apps.providers.domain import script
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)

SLOW_DELAY_S = 0.05


def _failure(kind: script.Failure) -> Exception:
    match kind:
        case script.Failure.UNAVAILABLE:
            return ProviderUnavailable()
        case script.Failure.TIMEOUT:
            return ProviderTimeout()
        case script.Failure.REJECTED:
            return ProviderRejected()
        case script.Failure.CONTEXT:
            return ContextTooLong(prompt_tokens=10_000, limit_tokens=8_192)
        case script.Failure.MISCONFIGURED:
            return ConfigurationError("scripted")


def _prompt_words(request: ModelRequest) -> int:
    return sum(len(message.text.split()) for message in request.messages)


def _last_user_text(request: ModelRequest) -> str:
    texts = (message.text for message in reversed(request.messages) if message.role is Role.USER)
    return next(texts, "")


class _Run:
    """One answer in progress."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._delay_s = SLOW_DELAY_S if request.model == "echo/slow" else 0.0
        self._emitted = 0
        self._asked = False
        self._reason = FinishReason.STOP

    async def events(self) -> AsyncGenerator[ProviderEvent, None]:
        for step in self._steps():
            match step:
                case script.Delay(seconds):
                    self._delay_s = seconds
                case script.Wait(seconds):
                    await asyncio.sleep(seconds)
                case script.Fail(failure):
                    raise _failure(failure)
                case script.Cut():
                    return
                case script.Finish(reason):
                    self._reason = FinishReason(reason)
                    break
                case script.Words() | script.Numbered() | script.Think() | script.AskTool():
                    async for event in self._say(step):
                        yield event
            if self._emitted >= self._request.max_tokens:
                self._reason = FinishReason.LENGTH
                break
        for forced in self._forced():
            self._reason = FinishReason.TOOL_CALLS
            yield forced
        yield UsageReport(
            usage=Usage(
                prompt_tokens=_prompt_words(self._request),
                completion_tokens=self._emitted,
                estimated=False,
            )
        )
        yield Finished(reason=self._reason)

    def _forced(self) -> list[ToolCall]:
        """Return the call that the caller demanded and the script does not make."""
        choice = self._request.tool_choice
        if self._asked or choice in {None, "auto", "none"} or not self._request.tools:
            return []
        name = self._request.tools[0].name if choice == "required" else str(choice)
        return [ToolCall(id=f"call_{self._emitted}", name=name, arguments="{}")]

    async def _say(
        self, step: script.Words | script.Numbered | script.Think | script.AskTool
    ) -> AsyncGenerator[ProviderEvent, None]:
        match step:
            case script.Think(text):
                await asyncio.sleep(self._delay_s)
                yield ReasoningDelta(text=text)
            case script.AskTool(name, arguments):
                if self._request.tool_choice == "none":
                    return
                self._asked = True
                self._reason = FinishReason.TOOL_CALLS
                yield ToolCall(id=f"call_{self._emitted}", name=name, arguments=arguments)
            case script.Words() | script.Numbered():
                async for delta in self._words(step):
                    yield delta

    def _steps(self) -> tuple[script.Step, ...]:
        # After a tool's result the script would ask for the same tool for ever: answer instead.
        last = self._request.messages[-1] if self._request.messages else None
        if last is not None and last.role is Role.TOOL:
            return (script.Words(script.pieces_of(f"The tool says: {last.text}")),)
        return script.parse_script(_last_user_text(self._request))

    async def _words(self, step: script.Words | script.Numbered) -> AsyncGenerator[TextDelta, None]:
        pieces = (
            (f"word{number} " for number in range(1, step.count + 1))
            if isinstance(step, script.Numbered)
            else iter(step.pieces)
        )
        for piece in pieces:
            if self._emitted >= self._request.max_tokens:
                return
            await asyncio.sleep(self._delay_s)
            self._emitted += 1
            yield TextDelta(text=piece)


class EchoAdapter:
    """Carries out the script in the last user message; one word is one token."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield what the script says, up to a stop text."""
        events = _Run(request).events()
        return until_stop(events, request.stop) if request.stop else events
