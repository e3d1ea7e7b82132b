"""A small AG-UI client: decodes by the package's own models, minds their order, applies them.

It does what `@ag-ui/client` does with messages, and fails where that refuses a stream.
"""

import json
from collections.abc import Iterable
from typing import Any

from ag_ui.core import (
    AssistantMessage,
    BaseEvent,
    CustomEvent,
    Event,
    FunctionCall,
    Message,
    MessagesSnapshotEvent,
    ReasoningEndEvent,
    ReasoningMessage,
    ReasoningMessageContentEvent,
    ReasoningMessageEndEvent,
    ReasoningMessageStartEvent,
    ReasoningStartEvent,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    StateSnapshotEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
)
from pydantic import TypeAdapter

_events: TypeAdapter[BaseEvent] = TypeAdapter(Event)


def decoded(body: str) -> list[BaseEvent]:
    """Return the events of a server-sent stream."""
    blocks = [block for block in body.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith("data: ") for block in blocks), body
    return [_events.validate_python(json.loads(block.removeprefix("data: "))) for block in blocks]


class Shown:
    """What a front end shows.

    Attributes:
        messages: The conversation.
        state: The agent's state.
        custom: The custom events by name.
        ended: The event that ended the run.
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages: list[Message] = list(messages)
        self.state: Any = None
        self.custom: dict[str, Any] = {}
        self.ended: RunFinishedEvent | RunErrorEvent | None = None
        self._started = False
        self._open: set[tuple[str, str]] = set()

    def see(self, events: Iterable[BaseEvent]) -> "Shown":
        """Apply events in their order."""
        for event in events:
            assert self.ended is None, "nothing comes after the end"
            assert self._started or isinstance(event, RunStartedEvent)
            self._apply(event)
        return self

    @property
    def text(self) -> str:
        """What the assistant said after the last question."""
        last = max((i for i, m in enumerate(self.messages) if m.role == "user"), default=-1)
        answers = [m for m in self.messages[last + 1 :] if isinstance(m, AssistantMessage)]
        return "".join(m.content or "" for m in answers)

    def ids(self) -> list[str]:
        """Return the messages' ids."""
        return [message.id for message in self.messages]

    def _apply(self, event: BaseEvent) -> None:
        match event:
            case RunStartedEvent():
                self._started = True
            case StateSnapshotEvent():
                self.state = event.snapshot
            case CustomEvent():
                self.custom[event.name] = event.value
            case MessagesSnapshotEvent():
                self.messages = list(event.messages)
            case RunFinishedEvent() | RunErrorEvent():
                assert isinstance(event, RunErrorEvent) or not self._open
                self.ended = event
            case _:
                self._apply_piece(event)

    def _apply_piece(self, event: BaseEvent) -> None:
        match event:
            case TextMessageStartEvent():
                self._begin("text", event.message_id)
                if event.message_id not in self.ids():
                    self.messages.append(AssistantMessage(id=event.message_id, content=""))
            case TextMessageContentEvent():
                self._during("text", event.message_id)
                message = self._find(event.message_id)
                message.content = (message.content or "") + event.delta
            case TextMessageEndEvent():
                self._end("text", event.message_id)
            case ReasoningStartEvent():
                self._begin("span", event.message_id)
            case ReasoningMessageStartEvent():
                self._begin("thought", event.message_id)
                self.messages.append(ReasoningMessage(id=event.message_id, content=""))
            case ReasoningMessageContentEvent():
                self._during("thought", event.message_id)
                self._find(event.message_id).content += event.delta
            case ReasoningMessageEndEvent():
                self._end("thought", event.message_id)
            case ReasoningEndEvent():
                self._end("span", event.message_id)
            case _:
                self._apply_call(event)

    def _apply_call(self, event: BaseEvent) -> None:
        match event:
            case ToolCallStartEvent():
                self._begin("call", event.tool_call_id)
                assert event.parent_message_id is not None
                if event.parent_message_id not in self.ids():
                    self.messages.append(AssistantMessage(id=event.parent_message_id))
                function = FunctionCall(name=event.tool_call_name, arguments="")
                call = ToolCall(id=event.tool_call_id, function=function)
                message = self._find(event.parent_message_id)
                message.tool_calls = [*(message.tool_calls or ()), call]
            case ToolCallArgsEvent():
                self._during("call", event.tool_call_id)
                self._call(event.tool_call_id).function.arguments += event.delta
            case ToolCallEndEvent():
                self._end("call", event.tool_call_id)
            case ToolCallResultEvent():
                self._call(event.tool_call_id)
                result = ToolMessage(
                    id=event.message_id, tool_call_id=event.tool_call_id, content=event.content
                )
                self.messages.append(result)
            case _:
                raise AssertionError(f"a client knows no {event.type}")

    def _begin(self, kind: str, name: str) -> None:
        assert (kind, name) not in self._open
        self._open.add((kind, name))

    def _during(self, kind: str, name: str) -> None:
        assert (kind, name) in self._open

    def _end(self, kind: str, name: str) -> None:
        self._open.remove((kind, name))

    def _find(self, message_id: str) -> Any:
        return next(message for message in self.messages if message.id == message_id)

    def _call(self, call_id: str) -> ToolCall:
        for message in self.messages:
            for call in (isinstance(message, AssistantMessage) and message.tool_calls) or ():
                if call.id == call_id:
                    return call
        raise AssertionError(f"no call {call_id}")
