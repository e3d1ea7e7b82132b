"""An answer while it grows: its parts in order, what it consumed, the events that tell of it."""

import time
from typing import Any

from apps.conversations import metrics
from apps.conversations.contracts import (
    ClaimedTurn,
    MessagePart,
    ReasoningEvent,
    ReasoningPart,
    StartEvent,
    TextPart,
    ToolEvent,
    ToolPart,
    TurnOutcome,
    TurnState,
    UsageEvent,
)
from apps.conversations.stream import COALESCE_S, TurnWriter
from apps.core.envelope import error_body
from apps.core.errors import KarenError
from apps.providers.contracts import Usage

_NOTHING = Usage(prompt_tokens=0, completion_tokens=0, estimated=False)


class Answer:
    """One attempt's answer.

    Attributes:
        model: Who is answering; another than the asked one after a fallback.
        level: Degradation, 1 to 4.
        finish_reason: Why the last model call ended.
    """

    def __init__(self, claimed: ClaimedTurn) -> None:
        self._claimed = claimed
        self._writer = TurnWriter(claimed.turn_id, claimed.attempt)
        self._shows_reasoning = claimed.settings.show_reasoning
        self._text: list[str] = [claimed.prefix] if claimed.prefix else []
        self._parts: list[MessagePart] = []
        self._open: list[str] = list(self._text)  # the text part that is being written
        self._thoughts: list[str] = []  # the reasoning part that is being written
        self._untold: list[str] = []  # reasoning that waits for the next event
        self._told_at = 0.0
        self._usage: Usage | None = None
        self._started = time.perf_counter()
        self._separate = False
        self.model = claimed.model
        self.level = 1
        self.finish_reason = ""
        self.context: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """Everything people see so far."""
        return "".join(self._text)

    @property
    def pieces(self) -> int:
        """How many pieces of text there are; grows with every one."""
        return len(self._text)

    @property
    def usage(self) -> Usage | None:
        """What all model calls together consumed, if any has told."""
        return self._usage

    async def begin(self, *, model: str, level: int) -> None:
        """Tell that `model` answers from here on; what was said and done so far stays."""
        self.model, self.level = model, level
        await self._tell_thoughts()
        await self._writer.event(
            StartEvent(attempt=self._claimed.attempt, model=model, text=self.text, level=level)
        )
        # A start event makes clients forget calls: they are told again.
        for part in self._parts:
            if isinstance(part, ToolPart):
                await self._tell_tool(part)

    async def say(self, text: str) -> None:
        """Add a piece of visible text."""
        if self.pieces <= bool(self._claimed.prefix):
            metrics.chat_latency_seconds.observe(time.perf_counter() - self._started)
        if self._separate and self._text:
            last = self._text[-1]
            text = text if last.endswith("\n") else f"\n\n{text.lstrip()}"
        self._separate = False
        self._close_thoughts()
        if self._untold:
            await self._tell_thoughts()
        self._text.append(text)
        self._open.append(text)
        await self._writer.delta(text)

    async def think(self, text: str) -> None:
        """Add a piece of reasoning: kept apart, told only where the conversation shows it."""
        self._close_text()
        self._thoughts.append(text)
        if not self._shows_reasoning:
            return
        self._untold.append(text)
        moment = time.monotonic()
        if moment - self._told_at >= COALESCE_S:
            self._told_at = moment
            await self._tell_thoughts()

    async def use(self, part: ToolPart) -> None:
        """Add a tool call, or replace what is known of it."""
        self._close_text()
        self._close_thoughts()
        await self._tell_thoughts()
        self._separate = True  # what is said next begins a paragraph
        for place, known in enumerate(self._parts):
            if isinstance(known, ToolPart) and known.call_id == part.call_id:
                self._parts[place] = part
                break
        else:
            self._parts.append(part)
        await self._tell_tool(part)

    def has_call(self, call_id: str) -> bool:
        """Say whether a call of this id is part of the answer already."""
        return any(isinstance(part, ToolPart) and part.call_id == call_id for part in self._parts)

    def separate(self) -> None:
        """Let what is said next begin a paragraph of its own."""
        self._separate = True

    def forget_thoughts(self) -> None:
        """Drop the reasoning of a model call that failed before it said anything."""
        self._thoughts.clear()
        self._untold.clear()

    async def count(self, usage: Usage) -> None:
        """Add what a model call consumed and tell the sum."""
        known = self._usage or _NOTHING
        self._usage = Usage(
            prompt_tokens=known.prompt_tokens + usage.prompt_tokens,
            completion_tokens=known.completion_tokens + usage.completion_tokens,
            estimated=known.estimated or usage.estimated,
            reasoning_tokens=known.reasoning_tokens + usage.reasoning_tokens,
            cached_tokens=known.cached_tokens + usage.cached_tokens,
        )
        await self._tell_thoughts()
        await self._writer.event(
            UsageEvent(
                attempt=self._claimed.attempt,
                prompt_tokens=self._usage.prompt_tokens,
                completion_tokens=self._usage.completion_tokens,
                estimated=self._usage.estimated,
            )
        )

    async def close(self) -> None:
        """Write what is still on its way."""
        await self._tell_thoughts()
        await self._writer.close(self.text)

    def outcome(self, state: TurnState, *, error: KarenError | None = None) -> TurnOutcome:
        """Return how the attempt ended, with everything so far."""
        self._close_text()
        self._close_thoughts()
        # A call that was cut off in the middle never ended: it did not succeed.
        parts = [_ended(part) for part in self._parts]
        usage = self._usage
        return TurnOutcome(
            state=state,
            text=self.text,
            parts=tuple(parts),
            finish_reason=self.finish_reason,
            error=error_body(error) if error else None,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            usage_estimated=usage.estimated if usage else False,
            level=self.level,
            context=self.context,
            # After a handover the turn knows its model, but the message does not yet.
            model=self.model if self.model != self._claimed.model or self.level > 1 else "",
        )

    def _close_text(self) -> None:
        if self._open:
            self._parts.append(TextPart(text="".join(self._open)))
            self._open.clear()

    def _close_thoughts(self) -> None:
        if self._thoughts:
            self._parts.append(ReasoningPart(text="".join(self._thoughts)))
            self._thoughts.clear()

    async def _tell_thoughts(self) -> None:
        if self._untold:
            text = "".join(self._untold)
            self._untold.clear()
            await self._writer.event(ReasoningEvent(attempt=self._claimed.attempt, text=text))

    async def _tell_tool(self, part: ToolPart) -> None:
        event = {**part.model_dump(exclude={"type"}), "attempt": self._claimed.attempt}
        await self._writer.event(ToolEvent.model_validate(event))


def _ended(part: MessagePart) -> MessagePart:
    if isinstance(part, ToolPart) and part.status == "running":
        return part.model_copy(update={"status": "failed", "result": "Stopped."})
    return part
