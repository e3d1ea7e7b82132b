"""The echo provider and its little language."""

import pytest
from hypothesis import given, strategies as st

from apps.core.errors import KarenError
from apps.providers import builtin, gateway
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    Role,
    TextDelta,
    ToolCall,
)
from apps.providers.domain import script
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ModelNotFound,
    ProviderInterrupted,
    ProviderRejected,
)


async def answer(
    text: str, *, max_tokens: int = 100, model: str = "echo/plain"
) -> list[ProviderEvent]:
    builtin.register_all()
    request = ModelRequest(
        model=model,
        messages=(ChatMessage(role=Role.USER, text=text),),
        max_tokens=max_tokens,
        temperature=0,
        partition="t:c",
    )
    return [event async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request)]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@given(st.text())
def test_every_text_is_a_script_and_plain_text_survives(text: str) -> None:
    steps = script.parse_script(text)
    if "!" not in text:
        said = "".join("".join(step.pieces) for step in steps if isinstance(step, script.Words))
        assert said == text


def test_directions_are_read_in_order() -> None:
    steps = script.parse_script('hi\n!delay 0.05\n!tokens 3\n!tool sum {"a": 1}\n!cut')
    assert steps == (
        script.Words(("hi",)),
        script.Delay(0.05),
        script.Numbered(3),
        script.AskTool("sum", '{"a": 1}'),
        script.Cut(),
    )


@pytest.mark.parametrize(
    "line", ["!important", "!delay soon", "!delay 61", "!error odd", "!delay nan"]
)
def test_what_is_no_direction_is_text(line: str) -> None:
    assert all(isinstance(step, script.Words) for step in script.parse_script(line))


async def test_echo_repeats_and_finishes() -> None:
    events = await answer("hello  brave\nworld")
    assert text_of(events) == "hello  brave\nworld"
    assert events[-1] == Finished(reason=FinishReason.STOP)


async def test_the_answer_ends_at_max_tokens() -> None:
    events = await answer("!tokens 50", max_tokens=7)
    assert text_of(events).split()[-1] == "word7"
    assert events[-1] == Finished(reason=FinishReason.LENGTH)


async def test_thinking_and_tools() -> None:
    events = await answer('!think hm\n!tool clock {"zone": "UTC"}')
    assert events[0] == ReasoningDelta(text="hm")
    assert events[1] == ToolCall(id="call_0", name="clock", arguments='{"zone": "UTC"}')
    assert events[-1] == Finished(reason=FinishReason.TOOL_CALLS)


@pytest.mark.parametrize(
    "kind,error",
    [
        ("rejected", ProviderRejected),
        ("context", ContextTooLong),
        ("misconfigured", ConfigurationError),
    ],
)
async def test_a_scripted_failure_is_raised(kind: str, error: type[KarenError]) -> None:
    with pytest.raises(error):
        await answer(f"!error {kind}")


async def test_a_failure_after_the_first_word_is_an_interruption() -> None:
    with pytest.raises(ProviderInterrupted):
        await answer("begun\n!error unavailable")


async def test_a_stream_without_finish_is_an_interruption() -> None:
    with pytest.raises(ProviderInterrupted):
        await answer("begun\n!cut")


async def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelNotFound):
        await answer("hi", model="echo/none")
