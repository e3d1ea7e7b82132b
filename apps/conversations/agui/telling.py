"""A turn's events in the words of AG-UI.

One answer of Karen's is a row of pieces there, because tool calls hang on a message and text
comes before or after them: `<answer>`, `<answer>:2`, … and `<answer>:thought1` for reasoning. The
ids follow from the answer, so that a repeated run tells the same messages.

What was told and no longer holds, because a worker died or a piece was lost, is taken back by a
snapshot of the messages without this answer; then it is told anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    CustomEvent,
    Message,
    MessagesSnapshotEvent,
    ReasoningEndEvent,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateSnapshotEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from apps.conversations.agui.reading import OWN, Note, Run, answer_of
from apps.conversations.contracts import (
    CancelledEvent,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    InterruptedEvent,
    ReasoningEvent,
    RetryingEvent,
    SnapshotEvent,
    StartEvent,
    ToolEvent,
    TurnEvent,
    UsageEvent,
)
from apps.core.envelope import ErrorBody, error_body
from apps.providers.errors import ProviderInterrupted

Events = list[BaseEvent]


def opening(run: Run, *, state: dict[str, Any], notes: Sequence[Note]) -> Events:
    """Return how a run begins: whose it is, what Karen knows of it, what has no effect."""
    asked = run.asked
    given = asked.state if isinstance(asked.state, dict) else {}
    events: Events = [
        RunStartedEvent(
            thread_id=asked.thread_id,
            run_id=asked.run_id,
            parent_run_id=asked.parent_run_id,
            protocol_version=PROTOCOL_VERSION,
        ),
        StateSnapshotEvent(snapshot={**given, OWN: state}),
    ]
    if notes:
        value = [
            {"param": note.param, "names": list(note.names), "message": note.message}
            for note in notes
        ]
        events.append(CustomEvent(name=f"{OWN}.unsupported", value=value))
    return events


def finished(run: Run, **more: Any) -> RunFinishedEvent:
    """Return how a run ends that did not fail."""
    asked = run.asked
    return RunFinishedEvent(thread_id=asked.thread_id, run_id=asked.run_id, **more)


def failed(error: ErrorBody, *, usage: list[TokenUsage] | None = None) -> RunErrorEvent:
    """Return how a run ends that failed; the envelope's inside is its metadata."""
    return RunErrorEvent(
        message=error["message"],
        code=error["type"],
        usage=usage,
        metadata={OWN: {"error": error}},
    )


@dataclass(slots=True)
class Pieces:
    """The ids of an answer's pieces, in the order in which they come."""

    answer_id: UUID
    number: int = 1
    thoughts: int = 0
    calls: bool = False

    def message(self) -> str:
        """Return the id of the piece that text or a call belongs to now."""
        return str(self.answer_id) if self.number == 1 else f"{self.answer_id}:{self.number}"

    def message_for_text(self) -> str:
        """Return the same, for text that begins: text after calls is another piece."""
        if self.calls:
            self.number, self.calls = self.number + 1, False
        return self.message()

    def message_for_call(self) -> str:
        """Return the id of the piece that a call hangs on."""
        self.calls = True
        return self.message()

    def thought(self) -> str:
        """Return the id of the next piece of reasoning."""
        self.thoughts += 1
        return f"{self.answer_id}:thought{self.thoughts}"

    def call(self, call_id: str) -> str:
        """Return a call's id among those of all answers."""
        return f"{self.answer_id}:{call_id}"

    def result(self, call_id: str) -> str:
        """Return the id of the message that holds what a call returned."""
        return f"{self.answer_id}:result:{call_id}"


@dataclass(slots=True)
class Telling:
    """What was told of one answer so far."""

    run: Run
    answer_id: UUID
    _pieces: Pieces = field(init=False)
    _told: str = ""
    _anything: bool = False
    _text_open: str = ""
    _thought_open: str = ""
    _called: dict[str, bool] = field(default_factory=dict)  # call → its result is out
    _model: str = ""
    _usage: UsageEvent | None = None

    def __post_init__(self) -> None:
        self._pieces = Pieces(self.answer_id)

    def begin(self) -> Events:
        """Return what makes room for the answer where the client shows some of it already."""
        shown = self.run.asked.messages
        return self._cleared() if any(self._mine(each) for each in shown) else []

    def take(self, event: TurnEvent) -> Events:
        """Return what an event of the turn adds."""
        events: Events = []
        match event:
            case StartEvent():
                self._model = event.model
                events = (self._again() if self._anything else []) + self._text(event.text)
            case DeltaEvent():
                events = self._text(event.text)
            case SnapshotEvent():
                events = self._whole(event.text)
            case ReasoningEvent():
                events = self._thought(event.text)
            case ToolEvent():
                events = self._tool(event)
            case UsageEvent():
                self._usage = event
            case RetryingEvent():
                pass  # another `StartEvent` follows
            case _:
                events = [*self.closed(), self._end(event)]
        return events

    def _end(self, event: TurnEvent) -> BaseEvent:
        match event:
            case DoneEvent():
                return finished(
                    self.run,
                    outcome=RunFinishedSuccessOutcome(),
                    result={
                        "messageId": str(event.message_id),
                        "finishReason": event.finish_reason,
                    },
                    usage=self._tokens(),
                    metadata={OWN: {"usageEstimated": True}} if self._estimated() else None,
                )
            case ErrorEvent():
                return failed(event.error, usage=self._tokens())
            case CancelledEvent():
                return finished(
                    self.run, outcome=RunFinishedCancelledOutcome(), usage=self._tokens()
                )
            case InterruptedEvent():
                return failed(error_body(ProviderInterrupted()), usage=self._tokens())
            case _:
                raise ValueError(event.kind)  # a kind of event that this edge was not told of

    def _tokens(self) -> list[TokenUsage] | None:
        if self._usage is None:
            return None
        read, wrote = self._usage.prompt_tokens, self._usage.completion_tokens
        provider, _slash, _name = self._model.partition("/")
        return [
            TokenUsage(
                provider=provider or None,
                model=self._model or None,
                input_tokens=read,
                output_tokens=wrote,
                total_tokens=read + wrote,
            )
        ]

    def _estimated(self) -> bool:
        return self._usage is not None and self._usage.estimated

    # -- text and thoughts

    def _text(self, text: str) -> Events:
        if not text:
            return []
        events = self._thought_closed()
        if not self._text_open:
            self._text_open = self._pieces.message_for_text()
            events.append(TextMessageStartEvent(message_id=self._text_open, role="assistant"))
        self._told += text
        self._anything = True
        events.append(TextMessageContentEvent(message_id=self._text_open, delta=text))
        return events

    def _whole(self, text: str) -> Events:
        if text.startswith(self._told):
            return self._text(text[len(self._told) :])
        return self._again() + self._text(text)

    def _thought(self, text: str) -> Events:
        if not text:
            return []
        events = self._text_closed()
        if not self._thought_open:
            self._thought_open = self._pieces.thought()
            events += [
                ReasoningStartEvent(message_id=self._thought_open),
                ReasoningMessageStartEvent(message_id=self._thought_open),
            ]
        self._anything = True
        events.append(ReasoningMessageContentEvent(message_id=self._thought_open, delta=text))
        return events

    def _text_closed(self) -> Events:
        if not self._text_open:
            return []
        closed, self._text_open = self._text_open, ""
        return [TextMessageEndEvent(message_id=closed)]

    def _thought_closed(self) -> Events:
        if not self._thought_open:
            return []
        closed, self._thought_open = self._thought_open, ""
        return [ReasoningMessageEndEvent(message_id=closed), ReasoningEndEvent(message_id=closed)]

    def closed(self) -> Events:
        """Return the ends of what is open."""
        return self._thought_closed() + self._text_closed()

    # -- tools

    def _tool(self, event: ToolEvent) -> Events:
        events: Events = []
        if event.call_id not in self._called:
            events += self.closed()
            self._called[event.call_id] = False
            self._anything = True
            call_id = self._pieces.call(event.call_id)
            events += [
                ToolCallStartEvent(
                    tool_call_id=call_id,
                    tool_call_name=event.name,
                    parent_message_id=self._pieces.message_for_call(),
                ),
                ToolCallArgsEvent(tool_call_id=call_id, delta=event.arguments),
                ToolCallEndEvent(tool_call_id=call_id),
            ]
        if event.status != "running" and not self._called[event.call_id]:
            self._called[event.call_id] = True
            events.append(
                ToolCallResultEvent(
                    message_id=self._pieces.result(event.call_id),
                    tool_call_id=self._pieces.call(event.call_id),
                    content=event.result,
                    role="tool",
                    metadata={OWN: {"status": event.status, "ms": event.ms}},
                )
            )
        return events

    # -- taking back

    def _again(self) -> Events:
        events = self.closed() + self._cleared()
        self._pieces = Pieces(self.answer_id)
        self._called.clear()
        self._told, self._anything = "", False
        return events

    def _cleared(self) -> Events:
        kept = [each for each in self.run.asked.messages if not self._mine(each)]
        return [MessagesSnapshotEvent(messages=kept)]

    def _mine(self, message: Message) -> bool:
        return answer_of(message) == self.answer_id
