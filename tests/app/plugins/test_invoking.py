"""Calling tools: every way in which a call can go wrong ends as a text for the model."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import Field

from apps.audit.models import AuditEntry
from apps.core import ratelimit, scope
from apps.core.clock import now
from apps.core.concurrency import run_async
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.plugins import registry
from apps.plugins.contracts import (
    Arguments,
    Tool,
    ToolContext,
    ToolError,
    ToolOutcome,
    ToolResult,
    ToolStatus,
)
from apps.plugins.errors import ToolFailed, ToolRetry, ToolTaken
from apps.plugins.selectors import list_tools
from apps.plugins.services import invoke_tool
from tests.fixtures.database import World
from tests.fixtures.people import People


class Word(Arguments):
    word: str = Field(max_length=10)
    times: int = Field(default=1, ge=1, le=5)


def _say(context: ToolContext, arguments: Word) -> ToolResult:
    assert scope.current_actor() == context.actor
    assert scope.require() == context.tenant
    match arguments.word:
        case "retry":
            raise ToolRetry("Say something else.")
        case "fail":
            raise ToolFailed("There is nothing to say.")
        case "gone":
            raise NotFound
        case "bug":
            raise ZeroDivisionError("secret detail")
        case "long":
            return ToolResult(text="x" * 100, data={"x": "y" * 100_000})
        case "odd":
            return "no result"  # type: ignore[return-value]  # what a careless tool does
        case word:
            thread = threading.current_thread().name
            return ToolResult(text=word * arguments.times, data={"thread": thread})


async def _wait(context: ToolContext, arguments: Word) -> ToolResult:
    await asyncio.Event().wait()
    raise AssertionError


SAY = Tool(
    name="say",
    title="Say",
    description="Says a word.",
    parameters=Word,
    run=_say,
    permission="chat.user",
    max_characters=80,
)
WAIT = replace(SAY, name="wait", run=_wait, timeout_s=0.05)
SECRET = replace(SAY, name="say_secret", permission="tenant.admin")
RARE = replace(SAY, name="say_rarely", per_minute=2)


@pytest.fixture
def tools() -> Iterator[None]:
    added = (SAY, WAIT, SECRET, RARE)
    for tool in added:
        registry.register_tool(tool)
    yield
    for tool in added:
        registry.unregister_tool(tool.name)


Invoke = Callable[..., ToolOutcome]


@pytest.fixture
def invoke(
    tools: None, committed: World, people: People, actor_in: Callable[..., Actor]
) -> Iterator[Invoke]:
    bea = actor_in(people.bea, committed.acme)
    context = ToolContext(
        tenant=committed.acme, actor=bea, conversation_id=new_id(), turn_id=new_id(), now=now()
    )

    def invoked(name: str, arguments: str, **options: object) -> ToolOutcome:
        call = invoke_tool(context=context, name=name, arguments=arguments, **options)  # type: ignore[arg-type]  # passed on
        return run_async(call)

    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        yield invoked


def test_a_plain_function_runs_off_the_loop_in_the_actors_scope(invoke: Invoke) -> None:
    outcome = invoke("say", '{"word": "ha", "times": 2}')
    assert outcome.status is ToolStatus.OK
    assert outcome.result.text == "haha"
    assert str(outcome.result.data["thread"]).startswith("db")


@pytest.mark.parametrize(
    "arguments,says",
    [
        ("{", "JSON"),
        ("[]", "object"),
        ("{}", "word: Field required"),
        ('{"word": "ha", "loud": true}', "loud"),
        ('{"word": "ha", "times": 9}', "less than or equal to 5"),
        ('{"word": "' + "x" * 40_000 + '"}', "JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_explained(invoke: Invoke, arguments: str, says: str) -> None:
    outcome = invoke("say", arguments)
    assert outcome.status is ToolStatus.INVALID
    assert outcome.result.error is ToolError.RETRY
    assert says in outcome.result.text
    assert "word (required), times" in outcome.result.text


@pytest.mark.parametrize(
    "word,status,says",
    [
        ("retry", ToolStatus.RETRY, "Say something else."),
        ("fail", ToolStatus.FAILED, "There is nothing to say."),
        ("gone", ToolStatus.FAILED, "nothing here"),
        ("bug", ToolStatus.BROKEN, "on our side"),
        ("odd", ToolStatus.BROKEN, "on our side"),
    ],
)
def test_failures_are_told_without_their_inside(
    invoke: Invoke, word: str, status: ToolStatus, says: str
) -> None:
    outcome = invoke("say", f'{{"word": "{word}"}}')
    assert outcome.status is status
    assert says in outcome.result.text
    assert "secret detail" not in outcome.result.text


def test_a_long_result_is_cut_and_says_so(invoke: Invoke) -> None:
    result = invoke("say", '{"word": "long"}').result
    assert result.text == "x" * 80 + "\n[20 more characters were left out]"
    assert result.data == {"left_out": "100009 characters"}


def test_an_unknown_tool_is_answered_with_near_names(invoke: Invoke) -> None:
    outcome = invoke("calculater", "{}")
    assert outcome.status is ToolStatus.UNKNOWN
    assert "Did you mean calculator" in outcome.result.text
    assert "say_secret" not in outcome.result.text


def test_a_tool_without_permission_or_outside_of_the_list_is_refused(invoke: Invoke) -> None:
    assert invoke("say_secret", '{"word": "a"}').status is ToolStatus.FORBIDDEN
    assert invoke("say", '{"word": "a"}', allowed={"calculator"}).status is ToolStatus.FORBIDDEN
    assert invoke("say", '{"word": "a"}', allowed={"say"}).status is ToolStatus.OK


def test_a_slow_tool_is_given_up(invoke: Invoke) -> None:
    outcome = invoke("wait", '{"word": "a"}')
    assert outcome.status is ToolStatus.TIMEOUT
    assert "0.05 seconds" in outcome.result.text


def test_a_tool_has_a_rate_per_person(invoke: Invoke) -> None:
    statuses = [invoke("say_rarely", '{"word": "a"}').status for _ in range(3)]
    assert statuses == [ToolStatus.OK, ToolStatus.OK, ToolStatus.LIMITED]


def test_the_rate_holds_without_the_cache(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    def away(role: object) -> redis.Redis:
        return redis.Redis(port=1)

    monkeypatch.setattr(ratelimit, "redis_client", away)
    assert invoke("say_rarely", '{"word": "a"}').status is ToolStatus.OK


def test_a_call_is_audited_without_its_arguments(invoke: Invoke) -> None:
    invoke("say", '{"word": "private"}', call_id="call_7")
    entry = AuditEntry.objects.get(action="tool.called")
    assert entry.target_id == "say"
    data = entry.data or {}
    assert (data["status"], data["call_id"]) == ("ok", "call_7")
    assert "private" not in str(entry.data)


def test_two_tools_never_share_a_name(tools: None) -> None:
    registry.register_tool(SAY)
    with pytest.raises(ToolTaken):
        registry.register_tool(replace(SAY, title="Another"))
    with pytest.raises(ValueError, match="no name"):
        registry.register_tool(replace(SAY, name="Say it!"))


def test_people_are_offered_what_they_may_use(
    invoke: Invoke, committed: World, people: People, actor_in: Callable[[object, TenantRef], Actor]
) -> None:
    names = {tool.name for tool in list_tools(actor=actor_in(people.bea, committed.acme))}
    assert {"say", "calculator", "date_time", "convert_units"} <= names
    assert "say_secret" not in names
    assert list_tools(actor=actor_in(people.eve, committed.acme)) == ()
