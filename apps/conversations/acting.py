"""Carrying out the tool calls of an answer: in parallel, within limits, each at most once."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from apps.accounts import selectors as accounts
from apps.conversations import prompts
from apps.conversations.answering import Answer
from apps.conversations.chat_tools import SEARCH_CONVERSATIONS, SEARCH_MEMORY
from apps.conversations.contracts import ClaimedTurn, LedgerEntry, ToolPart
from apps.conversations.domain.steps import StepKind, call_key
from apps.conversations.services import steps
from apps.conversations.steps import list_ledger
from apps.conversations.tracing import Trace
from apps.core.clock import now
from apps.core.concurrency import tenant_db
from apps.core.logging import get_logger
from apps.core.scope import Actor, TenantRef
from apps.jobs.leases import Held
from apps.plugins import selectors as plugins
from apps.plugins.contracts import (
    Tool,
    ToolContext,
    ToolError,
    ToolOutcome,
    ToolResult,
    ToolStatus,
)
from apps.plugins.registry import find_tool, registered_tools
from apps.plugins.services import invoke_tool
from apps.providers import registry
from apps.providers.contracts import ChatMessage, ModelInfo, Role, ToolCall, ToolSpec
from apps.providers.registry import PromptValue
from apps.providers.services.rendering import prompt_text

logger = get_logger(__name__)

_KNOWN_S = 60.0
_KNOWN_MAX = 2_000
_SHOWN = 2_000  # characters of a result in events and in the stored part
_REFUSED = frozenset({ToolStatus.FORBIDDEN, ToolStatus.LIMITED})


@dataclass(frozen=True, slots=True)
class _Known:
    actor: Actor | None
    until: float


class _Actors:
    """Who people are, for a minute: only to choose what is offered. Each call asks again."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, UUID], _Known] = {}

    def get(self, user_id: UUID, tenant: TenantRef) -> Actor | None:
        key, moment = (tenant.id, user_id), time.monotonic()
        known = self._known.get(key)
        if known is None or known.until < moment:
            if len(self._known) > _KNOWN_MAX:
                self._known.clear()
            known = _Known(accounts.actor_for(user_id, tenant), moment + _KNOWN_S)
            self._known[key] = known
        return known.actor


_actors = _Actors()


def requester_of(claimed: ClaimedTurn) -> Actor | None:
    """Return who asked, with what they may do; known for a minute. Blocking."""
    if claimed.requester_id is None:
        return None
    return bounded(claimed, _actors.get(claimed.requester_id, claimed.tenant))


def bounded(claimed: ClaimedTurn, actor: Actor | None) -> Actor | None:
    """Return who asked with no more than they asked with: a key's scopes hold for its turns."""
    given = claimed.settings.permissions
    if actor is None or given is None:
        return actor
    return replace(actor, permissions=actor.permissions.intersection(given))


def offered_tools(claimed: ClaimedTurn, model: ModelInfo) -> tuple[ToolSpec, ...]:
    """Return what the model is told it may call in this turn. Blocking: may ask the database."""
    if not model.supports_tools or claimed.requester_id is None or not registered_tools():
        return ()
    if claimed.settings.tools == ():
        return ()
    actor = requester_of(claimed)
    if actor is None:
        return ()
    tools = plugins.list_tools(actor=actor, allowed=_allowed(claimed))
    return tuple(plugins.tool_spec(tool) for tool in tools)


def _allowed(claimed: ClaimedTurn) -> frozenset[str] | None:
    wanted, hidden = claimed.settings.tools, _hidden(claimed)
    if not hidden:
        return None if wanted is None else frozenset(wanted)
    names = (tool.name for tool in registered_tools()) if wanted is None else wanted
    return frozenset(names) - hidden


def _hidden(claimed: ClaimedTurn) -> frozenset[str]:
    """Return the tools that would tell what this conversation is not to hear.

    What somebody said elsewhere is not put before others; and what others write here could make
    the model look for it in the name of whoever asks next.
    """
    if claimed.shared:
        return frozenset({SEARCH_MEMORY, SEARCH_CONVERSATIONS})
    if claimed.settings.is_sensitive and registry.embeds_elsewhere():
        return frozenset({SEARCH_MEMORY, SEARCH_CONVERSATIONS})  # what is looked for would leave
    return frozenset() if claimed.settings.memory_enabled else frozenset({SEARCH_MEMORY})


class Acting:
    """The calls of one attempt.

    Attributes:
        stuck: The model asks for the same again and again: it should answer now.
    """

    def __init__(self, claimed: ClaimedTurn, *, answer: Answer, trace: Trace, held: Held) -> None:
        self._claimed = claimed
        self._answer = answer
        self._trace = trace
        self._held = held
        self._actor: Actor | None = None
        self._earlier: dict[str, LedgerEntry] | None = None
        self._done: dict[str, ToolOutcome] = {}
        self._asked: Counter[str] = Counter()
        self._ids: Counter[str] = Counter()
        self.stuck = False

    def named(self, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
        """Return the calls with ids that no other call of the answer has."""
        return tuple(replace(call, id=self._own_id(call.id)) for call in calls)

    def _own_id(self, wanted: str) -> str:
        wanted = wanted[:60] or "call"
        self._ids[wanted] += 1
        return wanted if self._ids[wanted] == 1 else f"{wanted}-{self._ids[wanted]}"

    async def perform(self, calls: Sequence[ToolCall], *, iteration: int) -> list[ChatMessage]:
        """Carry out the calls of one model call side by side and return their results in order."""
        await self._prepare()
        outcomes = await asyncio.gather(
            *(self._one(call, place, iteration) for place, call in enumerate(calls))
        )
        return [
            ChatMessage(role=Role.TOOL, text=outcome.result.text, tool_call_id=call.id)
            for call, outcome in zip(calls, outcomes, strict=True)
        ]

    async def _prepare(self) -> None:
        claimed = self._claimed
        if self._actor is None and claimed.requester_id is not None:
            # Asked anew in every attempt: rights may have ended since the message was sent.
            present = await tenant_db(accounts.actor_for, claimed.requester_id, claimed.tenant)
            self._actor = bounded(claimed, present)
        if self._earlier is None:
            self._earlier = (
                await tenant_db(list_ledger, claimed=claimed) if claimed.attempt > 1 else {}
            )

    async def _one(self, call: ToolCall, place: int, iteration: int) -> ToolOutcome:
        key = call_key(call.name, call.arguments)
        self._asked[key] += 1
        part = ToolPart(
            call_id=call.id,
            name=call.name[:64],
            arguments=call.arguments[:_SHOWN],
            status="running",
        )
        await self._answer.use(part)
        outcome = await self._refusal(call, key, place)
        if outcome is None:
            outcome = await self._carried_out(call, key, iteration)
        else:
            self._trace.add(StepKind.TOOL_CALL, key=key, **_told(call, outcome, iteration))
        await self._answer.use(
            part.model_copy(
                update={
                    "status": _part_status(outcome),
                    "result": _shown(outcome.result.text),
                    "ms": outcome.ms,
                }
            )
        )
        return outcome

    async def _refusal(self, call: ToolCall, key: str, place: int) -> ToolOutcome | None:
        """Return what is answered instead of a call that is not carried out."""
        limit = settings.CHAT_TOOL_CALLS
        if place >= limit:
            return await _refused(call, prompts.TOOL_TOO_MANY, limit=limit)
        if self._asked[key] > 1:
            self.stuck = self.stuck or self._asked[key] > 2
            known = self._done.get(key)
            returned = known.result.text if known else ""
            return await _refused(call, prompts.TOOL_REPEATED, returned=returned)
        entry = (self._earlier or {}).get(key)
        if entry is not None and entry.completed:
            logger.info("tool.reused", tool=call.name[:64], turn_id=str(self._claimed.turn_id))
            return ToolOutcome(
                tool=call.name, status=ToolStatus.OK, result=ToolResult(text=entry.result), ms=0
            )
        if entry is not None and entry.uncertain:
            return await _refused(call, prompts.TOOL_UNCERTAIN)
        if self._actor is None or self._held.lost:
            return await _refused(call, prompts.TOOL_NOBODY)
        return None

    async def _carried_out(self, call: ToolCall, key: str, iteration: int) -> ToolOutcome:
        claimed, tool = self._claimed, find_tool(call.name)
        assert self._actor is not None
        context = ToolContext(
            tenant=claimed.tenant,
            actor=self._actor,
            conversation_id=claimed.conversation_id,
            turn_id=claimed.turn_id,
            now=now(),
        )
        try:
            row = await self._begun(call, key, tool, iteration)
        except DatabaseError:
            logger.exception("tool.ledger_failed", tool=call.name[:64])
            return await _refused(call, prompts.TOOL_UNRECORDED)
        outcome = await invoke_tool(
            context=context,
            name=call.name,
            arguments=call.arguments,
            allowed=_allowed(claimed),
            call_id=call.id,
        )
        self._done[key] = outcome
        detail = _told(call, outcome, iteration, side_effects=bool(tool and tool.side_effects))
        step = self._trace.step(StepKind.TOOL_CALL, ms=outcome.ms, key=key, **detail)
        try:
            if row is None:
                await tenant_db(steps.record_tool_call, claimed=claimed, step=step)
            else:
                await tenant_db(steps.complete_tool_call, step_id=row, step=step)
        except DatabaseError:  # the call is done; only the next attempt would not know of it
            logger.exception("tool.ledger_failed", tool=call.name[:64])
        return outcome

    async def _begun(
        self, call: ToolCall, key: str, tool: Tool | None, iteration: int
    ) -> UUID | None:
        """Record a call with side effects before it begins; without the record it does not."""
        if tool is None or not tool.side_effects:
            return None
        step = self._trace.step(
            StepKind.TOOL_CALL,
            key=key,
            tool=call.name[:64],
            call_id=call.id,
            iteration=iteration,
            status="begun",
            side_effects=True,
        )
        return await tenant_db(steps.record_tool_call, claimed=self._claimed, step=step)


def _told(
    call: ToolCall, outcome: ToolOutcome, iteration: int, *, side_effects: bool = False
) -> dict[str, Any]:
    return {
        "tool": call.name[:64],
        "call_id": call.id,
        "iteration": iteration,
        "arguments": call.arguments[:_SHOWN],
        "status": outcome.status.value,
        "result": outcome.result.text,
        "side_effects": side_effects,
    }


async def _refused(call: ToolCall, reason: str, **values: PromptValue) -> ToolOutcome:
    text = await tenant_db(prompt_text, reason, **values)
    result = ToolResult(text=text, error=ToolError.RETRY)
    return ToolOutcome(tool=call.name, status=ToolStatus.FORBIDDEN, result=result, ms=0)


def _part_status(outcome: ToolOutcome) -> str:
    if outcome.status is ToolStatus.OK:
        return "completed"
    return "refused" if outcome.status in _REFUSED else "failed"


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
