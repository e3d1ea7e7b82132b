"""The scripted model: deterministic, free, offline. For demos, tests and trying out Karen.

What it does is written in the last user message (`apps.providers.domain.script`), so the same
conversation shows the same behaviour in a browser, in a test and in a benchmark. `echo/plain`
follows the script; `echo/slow` does so with a pause of 50 ms before each piece.
"""

import asyncio
from collections.abc import AsyncGenerator

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
from apps.providers.domain import script
from apps.providers.domain.stops import until_stop
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


def _since_question(request: ModelRequest) -> tuple[ChatMessage | None, tuple[ChatMessage, ...]]:
    """Return the last thing the user said and everything after it."""
    for place in range(len(request.messages) - 1, -1, -1):
        if request.messages[place].role is Role.USER:
            return request.messages[place], request.messages[place + 1 :]
    return None, request.messages


def _last_results(after: tuple[ChatMessage, ...]) -> list[str]:
    """Return the results that came last: those of one round of calls."""
    results: list[str] = []
    for message in reversed(after):
        if message.role is not Role.TOOL:
            break
        results.append(message.text)
    return results[::-1]


class _Run:
    """One answer in progress."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._delay_s = SLOW_DELAY_S if request.model == "echo/slow" else 0.0
        self._emitted = 0
        self._asked = 0
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
                case script.Then():
                    continue
                case _:
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
        return [ToolCall(id=self._next_id(), name=name, arguments="{}")]

    async def _say(
        self, step: script.Words | script.Numbered | script.Think | script.AskTool | script.See
    ) -> AsyncGenerator[ProviderEvent, None]:
        match step:
            case script.Think(text):
                await asyncio.sleep(self._delay_s)
                yield ReasoningDelta(text=text)
            case script.AskTool(name, arguments):
                if self._request.tool_choice == "none":
                    return
                self._reason = FinishReason.TOOL_CALLS
                yield ToolCall(id=self._next_id(), name=name, arguments=arguments)
            case script.See():
                async for delta in self._words(script.Words(script.pieces_of(self._seen()))):
                    yield delta
            case script.Words() | script.Numbered():
                async for delta in self._words(step):
                    yield delta

    def _next_id(self) -> str:
        self._asked += 1
        asked_before = sum(len(message.tool_calls) for message in self._request.messages)
        return f"call_{asked_before + self._asked - 1}"

    def _seen(self) -> str:
        question, _ = _since_question(self._request)
        images = question.images if question else ()
        seen = ", ".join(f"{image.media_type} of {len(image.data)} bytes" for image in images)
        return f"I see {seen}." if seen else "I see no image."

    def _steps(self) -> tuple[script.Step, ...]:
        question, after = _since_question(self._request)
        rounds = script.rounds_of(script.parse_script(question.text if question else ""))
        results = _last_results(after)
        if not results:
            return rounds[0]
        done = sum(1 for message in after if message.tool_calls)
        if 0 < done < len(rounds) and self._request.tool_choice != "none":
            return rounds[done]
        # The script would ask for the same tools for ever: answer with what they said instead.
        return (script.Words(script.pieces_of(f"The tool says: {'; '.join(results)}")),)

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
        """Yield what the script says, up to the first stop text."""
        return until_stop(_Run(request).events(), request.stop)
