"""The state/event law (style C19): what is shown depends on the events, not on how they arrived."""

from functools import reduce

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from apps.conversations.contracts import (
    TERMINAL_KINDS,
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
    turn_events,
)
from apps.conversations.domain.snapshot import AnswerSnapshot, apply
from apps.core.envelope import ErrorBody
from apps.core.ids import new_id

MESSAGE = new_id()
ERROR = ErrorBody(type="internal_error", message="x", retryable=True, correlation_id="abcdefgh")

# Every event kind must be drawn here: a new one that is missing fails the first test below.
EVENTS: dict[str, st.SearchStrategy[TurnEvent]] = {
    "start": st.builds(StartEvent, attempt=st.integers(1, 3), model=st.just("echo/plain")),
    "delta": st.builds(DeltaEvent, attempt=st.integers(1, 3), text=st.text(max_size=8)),
    "reasoning": st.builds(ReasoningEvent, attempt=st.integers(1, 3), text=st.text(max_size=8)),
    "tool": st.builds(
        ToolEvent,
        attempt=st.integers(1, 3),
        call_id=st.sampled_from(["a", "b"]),
        name=st.just("calculator"),
        arguments=st.just("{}"),
        status=st.sampled_from(["running", "completed", "failed"]),
    ),
    "snapshot": st.builds(SnapshotEvent, attempt=st.integers(1, 3), text=st.text(max_size=8)),
    "usage": st.builds(
        UsageEvent,
        attempt=st.integers(1, 3),
        prompt_tokens=st.just(1),
        completion_tokens=st.just(2),
        estimated=st.booleans(),
    ),
    "retrying": st.builds(RetryingEvent, attempt=st.integers(1, 3)),
    "done": st.just(DoneEvent(attempt=3, message_id=MESSAGE, finish_reason="stop")),
    "error": st.just(ErrorEvent(attempt=3, message_id=MESSAGE, error=ERROR)),
    "cancelled": st.just(CancelledEvent(attempt=3, message_id=MESSAGE)),
    "interrupted": st.just(InterruptedEvent(attempt=3, message_id=MESSAGE)),
}

Log = list[tuple[tuple[int, int], TurnEvent]]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A log as a writer produces it: any events, then exactly one terminal event."""
    running = st.one_of([s for kind, s in EVENTS.items() if kind not in TERMINAL_KINDS])
    events = [*draw(st.lists(running, max_size=25))]
    events.append(draw(st.one_of([EVENTS[kind] for kind in sorted(TERMINAL_KINDS)])))
    return [((1, number), event) for number, event in enumerate(events, start=1)]


def applied(snapshot: AnswerSnapshot, log: Log) -> AnswerSnapshot:
    return reduce(lambda state, entry: apply(state, *entry), log, snapshot)


def test_every_event_kind_joins_the_law() -> None:
    schema = TypeAdapter(TurnEvent).json_schema()
    kinds = {
        d["properties"]["kind"]["const"]
        for d in schema["$defs"].values()
        if "kind" in d.get("properties", {})
    }

    assert kinds == set(EVENTS)


@given(logs())
def test_a_client_that_was_cut_at_any_position_shows_the_same(log: Log) -> None:
    whole = applied(AnswerSnapshot(), log)

    for position in range(len(log) + 1):
        before = applied(AnswerSnapshot(), log[:position])
        assert applied(before, log[position:]) == whole


@given(logs(), st.data())
def test_events_received_twice_change_nothing(log: Log, data: st.DataObject) -> None:
    whole = applied(AnswerSnapshot(), log)
    start = data.draw(st.integers(0, len(log)))
    end = data.draw(st.integers(start, len(log)))

    assert applied(AnswerSnapshot(), log[:end] + log[start:]) == whole


@given(logs())
def test_after_the_terminal_event_nothing_changes_any_more(log: Log) -> None:
    whole = applied(AnswerSnapshot(), log)
    late = ((2, 0), DeltaEvent(attempt=3, text="late"))

    assert whole.state in TERMINAL_KINDS
    assert applied(whole, [late]) == whole


def test_an_older_attempts_words_never_mix_with_a_newer_ones() -> None:
    log: Log = [
        ((1, 1), StartEvent(attempt=1, model="m")),
        ((1, 2), DeltaEvent(attempt=1, text="lost ")),
        ((1, 3), RetryingEvent(attempt=1)),
        ((1, 4), StartEvent(attempt=2, model="m")),
        ((1, 5), DeltaEvent(attempt=1, text="ghost ")),
        ((1, 6), DeltaEvent(attempt=2, text="kept")),
    ]

    assert applied(AnswerSnapshot(), log).text == "kept"


@pytest.mark.parametrize("kind", sorted(EVENTS))
@given(data=st.data())
def test_events_survive_the_wire(kind: str, data: st.DataObject) -> None:
    event = data.draw(EVENTS[kind])

    assert turn_events.validate_json(event.model_dump_json()) == event
