"""AG-UI without a server: whatever happens to a turn, the front end ends up with its answer."""

from typing import Any
from uuid import UUID, uuid5

import pytest
from ag_ui.core import AssistantMessage, RunAgentInput, RunErrorEvent, RunFinishedEvent
from hypothesis import given, strategies as st

from apps.conversations.agui.reading import own_id, run_of
from apps.conversations.agui.showing import messages_of
from apps.conversations.agui.telling import Telling, failed, opening
from apps.conversations.contracts import (
    DeltaEvent,
    DoneEvent,
    MessageStatus,
    MessageView,
    ReasoningEvent,
    ReasoningPart,
    RetryingEvent,
    SnapshotEvent,
    StartEvent,
    TextPart,
    ToolEvent,
    ToolPart,
    TurnEvent,
    UsageEvent,
)
from apps.core.clock import now
from apps.core.envelope import error_body
from apps.core.errors import InvalidInput, ServiceUnavailable
from apps.core.ids import new_id
from apps.providers.contracts import Role
from tests.agui import Shown

ANSWER = new_id()
QUESTION = {"id": "u1", "role": "user", "content": "hello"}
SYSTEM = {"id": "s", "role": "system", "content": "Be brief."}
GREETING = {"id": "a", "role": "assistant", "content": "Hi"}
PICTURE = {"type": "image", "source": {"type": "url", "value": "http://x/"}}
SEE = {"id": "u", "role": "user", "content": [{"type": "text", "text": "see"}, PICTURE]}


def asked(**more: Any) -> RunAgentInput:
    fields = {"threadId": "t", "runId": "r", "messages": [QUESTION], **more}
    return RunAgentInput.model_validate(fields)


def told(events: list[TurnEvent], **more: Any) -> Shown:
    run = run_of(asked(**more))
    telling = Telling(run, ANSWER)
    shown = Shown(run.asked.messages).see(opening(run, state={}, notes=run.notes))
    shown.see(telling.begin())
    for event in events:
        shown.see(telling.take(event))
    return shown


DONE = DoneEvent(attempt=1, message_id=ANSWER, finish_reason="stop")


# An attempt is a list of pieces: text, a thought, or a call with its result.
_texts = st.text(min_size=1, max_size=6)
_piece = st.one_of(
    st.tuples(st.just("text"), _texts),
    st.tuples(st.just("thought"), _texts),
    st.tuples(st.just("call"), st.sampled_from(["c1", "c2", "c3"])),
    st.tuples(st.just("lost"), _texts),
)
_attempts = st.lists(st.lists(_piece, max_size=8), min_size=1, max_size=3)


def events_of(attempts: list[list[tuple[str, str]]]) -> tuple[list[TurnEvent], str, set[str]]:
    """Return a turn's events, its final text and the calls of its last attempt."""
    events: list[TurnEvent] = []
    text, calls = "", set[str]()
    for number, pieces in enumerate(attempts, 1):
        if number > 1:
            events.append(RetryingEvent(attempt=number - 1))
        events.append(StartEvent(attempt=number, model="echo/plain"))
        text, calls = "", set()
        for kind, value in pieces:
            if kind == "thought":
                events.append(ReasoningEvent(attempt=number, text=value))
            elif kind == "call":
                for status in ("running", "completed"):
                    call: dict[str, Any] = {"call_id": value, "name": "add", "arguments": "{}"}
                    events.append(ToolEvent(attempt=number, status=status, result="3", **call))
                calls.add(value)
            elif kind == "lost":  # the log lost a piece: a snapshot says the whole
                text = value + text
                events.append(SnapshotEvent(attempt=number, text=text))
                calls = set() if not text.startswith(_said(events, number)) else calls
            else:
                text += value
                events.append(DeltaEvent(attempt=number, text=value))
    return [*events, DONE], text, calls


def _said(events: list[TurnEvent], attempt: int) -> str:
    said = ""
    for event in events[:-1]:
        if event.attempt == attempt and isinstance(event, DeltaEvent):
            said += event.text
        elif event.attempt == attempt and isinstance(event, SnapshotEvent):
            said = event.text
    return said


@given(attempts=_attempts)
def test_after_any_turn_the_front_end_shows_its_last_attempt_and_the_question(
    attempts: list[list[tuple[str, str]]],
) -> None:
    events, text, calls = events_of(attempts)

    shown = told(events)

    assert shown.text == text
    assert shown.ids()[0] == "u1"
    assert len(set(shown.ids())) == len(shown.ids())
    assert isinstance(shown.ended, RunFinishedEvent)
    results = {m.id for m in shown.messages if m.role == "tool"}
    assert {f"{ANSWER}:result:{call}" for call in calls} <= results


@given(attempts=_attempts)
def test_a_repeated_run_shows_the_same_messages_whatever_was_shown_of_it(
    attempts: list[list[tuple[str, str]]],
) -> None:
    events, _text, _calls = events_of(attempts)
    first = told(events)
    partial = [m.model_dump(by_alias=True) for m in first.messages[: len(first.messages) // 2 + 1]]

    again = told(events, messages=partial)

    assert [m.model_dump() for m in again.messages] == [m.model_dump() for m in first.messages]


def test_text_after_a_call_is_another_message() -> None:
    call: dict[str, Any] = {"attempt": 1, "call_id": "c", "name": "add", "arguments": '{"a":1}'}
    shown = told(
        [
            StartEvent(attempt=1, model="echo/plain"),
            DeltaEvent(attempt=1, text="Let me see. "),
            ToolEvent(status="running", **call),
            ToolEvent(status="refused", result="no", ms=4, **call),
            DeltaEvent(attempt=1, text="Done."),
            UsageEvent(attempt=1, prompt_tokens=3, completion_tokens=5, estimated=True),
            DONE,
        ]
    )

    first, result, last = shown.messages[1:]
    assert isinstance(first, AssistantMessage)
    assert first.tool_calls is not None
    assert first.tool_calls[0].function.arguments == '{"a":1}'
    assert (result.id, result.content) == (f"{ANSWER}:result:c", "no")
    assert (last.id, last.content) == (f"{ANSWER}:2", "Done.")
    assert isinstance(shown.ended, RunFinishedEvent)
    assert shown.ended.usage is not None
    assert (shown.ended.usage[0].provider, shown.ended.usage[0].total_tokens) == ("echo", 8)


def test_a_thread_is_shown_with_the_ids_under_which_it_was_told() -> None:
    parts = (
        ReasoningPart(text="hm"),
        TextPart(text="one "),
        ToolPart(call_id="c", name="add", status="completed", result="3"),
        TextPart(text="two"),
    )
    view = MessageView(
        id=ANSWER, parent_id=None, role=Role.ASSISTANT, text="one two", error=None,
        status=MessageStatus.COMPLETE, turn_id=None, model="", created_at=now(), parts=parts,
    )  # fmt: skip
    call: dict[str, Any] = {"attempt": 1, "call_id": "c", "name": "add", "arguments": "{}"}
    live = told(
        [
            StartEvent(attempt=1, model="echo/plain"),
            ReasoningEvent(attempt=1, text="hm"),
            DeltaEvent(attempt=1, text="one "),
            ToolEvent(status="running", **call),
            ToolEvent(status="completed", result="3", **call),
            DeltaEvent(attempt=1, text="two"),
            DONE,
        ]
    )

    shown = messages_of([view])

    assert [m.model_dump() for m in shown] == [m.model_dump() for m in live.messages[1:]]


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"tools": [{"name": "paint", "description": "d"}]}, "tools"),
        ({"context": [{"description": "page", "value": "x"}]}, "context"),
        ({"state": {"colour": "red"}}, "state"),
        ({"state": [1]}, "state"),
        ({"forwardedProps": {"other": 1}}, "forwardedProps"),
        ({"forwardedProps": "text"}, "forwardedProps"),
        (
            {"messages": [SYSTEM, QUESTION]},
            "messages",
        ),
        ({"messages": [GREETING, QUESTION]}, "messages"),
    ],
)
def test_what_has_no_effect_is_said(fields: dict[str, Any], param: str) -> None:
    assert [note.param for note in run_of(asked(**fields)).notes] == [param]


def test_a_plain_run_has_nothing_to_note() -> None:
    fields = {"tools": [], "context": [], "state": {"karen": {}}, "forwardedProps": {"karen": {}}}
    assert run_of(asked(**fields)).notes == ()


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"threadId": ""}, "threadId"),
        ({"runId": "r" * 201}, "runId"),
        ({"resume": [{"interruptId": "i", "status": "resolved"}]}, "resume"),
        ({"forwardedProps": {"karen": {"modle": "x"}}}, "forwardedProps.karen.modle"),
        (
            {"forwardedProps": {"karen": {"options": {"colour": 1}}}},
            "forwardedProps.karen.options.colour",
        ),
        ({"messages": [SEE]}, "messages.0.content.1"),
    ],
)
def test_what_must_not_be_passed_over_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        run_of(asked(**fields))
    assert list(refused.value.fields or ()) == [field]


def test_only_karens_own_ids_name_conversations() -> None:
    own, foreign = new_id(), uuid5(UUID(int=0), "x")

    assert own_id(str(own)) == own
    assert own_id(str(foreign)) is None
    assert own_id(own.hex) is None
    assert own_id("thread") is None


@given(first=st.text(min_size=1, max_size=200), second=st.text(min_size=1, max_size=200))
def test_threads_have_one_key_each(first: str, second: str) -> None:
    keys = [run_of(asked(threadId=each)).thread_key for each in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)
    assert len(keys[0]) <= 64


def test_a_run_that_failed_carries_the_envelope() -> None:
    event = failed(error_body(ServiceUnavailable()))
    assert isinstance(event, RunErrorEvent)
    assert event.code == "service_unavailable"
    assert event.metadata is not None
    assert event.metadata["karen"]["error"]["retryable"] is True
