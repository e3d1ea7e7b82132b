"""One attempt at a turn: reason, act, and again; another model where the chosen one is away."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from apps.accounts import selectors as accounts
from apps.conversations import degradation, metrics
from apps.conversations.acting import Acting, bounded
from apps.conversations.answering import Answer
from apps.conversations.chat_tools import related_lines
from apps.conversations.contracts import ClaimedTurn, TurnOutcome, TurnState
from apps.conversations.domain.exchange import fitting
from apps.conversations.domain.packing import estimated_tokens
from apps.conversations.domain.steps import StepKind
from apps.conversations.errors import AnswerTimedOut
from apps.conversations.services import attempts
from apps.conversations.services.handover import hand_over_turn
from apps.conversations.stream import cancel_requested
from apps.conversations.tracing import Trace
from apps.core.concurrency import tenant_db
from apps.core.errors import KarenError, RateLimited
from apps.core.logging import get_logger
from apps.jobs.leases import Held
from apps.providers import gateway, registry
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelInfo,
    ModelRequest,
    Origin,
    ReasoningDelta,
    Role,
    TextDelta,
    ToolCall,
    ToolSpec,
    UsageReport,
)
from apps.providers.errors import ProviderInterrupted, ProviderRejected, ProviderUnavailable
from apps.providers.ledger import CallRecord

logger = get_logger(__name__)

_POLL_S = 0.2
_SAVE_EVERY_S = 2.0
_CONTEXT_SAFETY = 0.9
_MAX_RETRIES = 2  # after the first try; the gateway has repeated short failures already
_LONGEST_PAUSE_S = 60.0
_WORTH_WAITING = (ProviderUnavailable, RateLimited)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a model is asked, and what it may call."""

    model: ModelInfo
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...]
    answer_tokens: int
    context: dict[str, Any] | None = None


class _HandedOver(Exception):  # a way out, no error
    """Another worker goes on."""


class Attempt:
    """One attempt. `prepare` goes through the stages before the model; blocking.

    Every call of a model is added to `calls`; whoever ends the attempt writes them.
    """

    def __init__(
        self,
        claimed: ClaimedTurn,
        *,
        held: Held,
        trace: Trace,
        prepare: Callable[[ModelInfo], Prepared],
        calls: list[CallRecord],
    ) -> None:
        self._claimed = claimed
        self._held = held
        self._trace = trace
        self._prepare = prepare
        self._calls = calls
        self._exchange: list[ChatMessage] = []  # what model and tools said since the prompt
        self._iteration = 0
        self._said = False  # the present model call has said something visible
        self._retries = 0
        self._tried: set[str] = set()
        self._stop = ""

    async def run(self, prepared: Prepared, *, deadline_s: float) -> TurnOutcome | None:
        """Answer, and stream what is said.

        Args:
            prepared: What the chosen model is asked.
            deadline_s: Seconds until the attempt has to end.

        Returns:
            How it ended; None if another attempt has taken over, or is to.
        """
        self._answer = Answer(self._claimed)
        self._acting = Acting(
            self._claimed, answer=self._answer, trace=self._trace, held=self._held
        )
        work = asyncio.create_task(self._until_answered(prepared))
        overseer = asyncio.create_task(self._oversee(work))
        try:
            async with asyncio.timeout(deadline_s if deadline_s < float("inf") else None):
                await work
        except _HandedOver:
            return None
        except (TimeoutError, KarenError) as error:
            return self._failed(error if isinstance(error, KarenError) else AnswerTimedOut())
        except asyncio.CancelledError:
            if not self._stop:
                raise
            lost = self._stop == "lost"
            return None if lost else self._answer.outcome(TurnState.CANCELLED)
        finally:
            overseer.cancel()
            await asyncio.gather(overseer, return_exceptions=True)
            await self._answer.close()
        return self._answer.outcome(TurnState.COMPLETED)

    def _failed(self, error: KarenError) -> TurnOutcome:
        if isinstance(error, ProviderInterrupted):
            return self._answer.outcome(TurnState.INTERRUPTED, error=error)
        metrics.chat_errors_total.labels(error.code).inc()
        return self._answer.outcome(TurnState.FAILED, error=error)

    # -- which model answers

    async def _until_answered(self, prepared: Prepared) -> None:
        self._local_worker = prepared.model.in_process
        while True:
            asked = prepared.model.id
            try:
                await self._reason_and_act(prepared)
            except KarenError as error:
                if self._said or not self._may_be_replaced(error, asked):
                    raise
                failure = error
            else:
                degradation.outages.clear(asked)
                return
            following = await self._after(failure, asked)
            if following is not None:
                prepared = following
            elif self._may_wait(failure):
                await self._pause(failure, asked)
            else:
                await self._answer_without_model(failure)
                return

    def _may_be_replaced(self, error: KarenError, asked: str) -> bool:
        if degradation.is_replaceable(error, asked):
            return True
        # The next one may take what a replacement refuses, such as a prompt too long for it.
        return asked != self._claimed.model and isinstance(error, ProviderRejected)

    async def _after(self, failure: KarenError, asked: str) -> Prepared | None:
        """Return what to ask instead after `asked` failed, or None."""
        self._answer.forget_thoughts()
        self._tried.add(asked)
        if isinstance(failure, degradation.REPLACEABLE):
            degradation.outages.note(asked)
        while (
            model := degradation.next_model(
                asked,
                error=failure,
                tried=self._tried,
                subject=self._claimed.conversation_id.hex,
                sensitive=self._claimed.settings.is_sensitive,
            )
        ) is not None:
            self._tried.add(model.id)
            self._trace.add(StepKind.FALLBACK, failed=asked, cause=failure.code, instead=model.id)
            logger.warning("turn.fallback", failed=asked, cause=failure.code, instead=model.id)
            if model.in_process and not self._local_worker:
                await self._hand_over(model)
                continue
            return await tenant_db(self._prepare, model)
        return None

    async def _hand_over(self, model: ModelInfo) -> None:
        level = degradation.level_of(model, asked=self._claimed.model)
        if await tenant_db(hand_over_turn, claimed=self._claimed, model=model, level=level):
            raise _HandedOver

    def _may_wait(self, failure: KarenError) -> bool:
        pause_s = failure.retry_after_s if isinstance(failure, _WORTH_WAITING) else None
        return pause_s is not None and pause_s <= _LONGEST_PAUSE_S and self._retries < _MAX_RETRIES

    async def _pause(self, failure: KarenError, asked: str) -> None:
        assert isinstance(failure, _WORTH_WAITING)
        assert failure.retry_after_s is not None
        self._retries += 1
        pause_s = failure.retry_after_s
        self._trace.add(StepKind.RETRY, model=asked, cause=failure.code, pause_s=pause_s)
        await _pause_for(pause_s)

    async def _answer_without_model(self, failure: KarenError) -> None:
        """Say honestly that no model answers, with what was found instead."""
        claimed = self._claimed
        lines = await tenant_db(self._related)
        self._trace.add(StepKind.DEGRADED, cause=failure.code, found=len(lines))
        logger.warning("turn.no_model", turn_id=str(claimed.turn_id), cause=failure.code)
        await self._answer.begin(model=claimed.model, level=degradation.NO_MODEL)
        self._answer.separate()
        await self._answer.say(degradation.minimal_answer(lines))
        self._answer.finish_reason = degradation.DEGRADED

    def _related(self) -> list[str]:
        claimed = self._claimed
        if claimed.requester_id is None or claimed.temporary or claimed.shared:
            return []  # nobody's past is put before other people
        try:
            actor = bounded(claimed, accounts.actor_for(claimed.requester_id, claimed.tenant))
        except DatabaseError:
            logger.warning("degraded.database_away", turn_id=str(claimed.turn_id))
            return []
        question = next((m.text for m in reversed(claimed.history) if m.role is Role.USER), "")
        if actor is None or (claimed.settings.is_sensitive and registry.embeds_elsewhere()):
            return []
        return related_lines(
            actor=actor,
            text=question,
            leave_out=claimed.conversation_id,
            memories=claimed.settings.memory_enabled,
        )

    # -- reason and act

    async def _reason_and_act(self, prepared: Prepared) -> None:
        self._said = False
        self._answer.context = prepared.context
        level = degradation.level_of(prepared.model, asked=self._claimed.model)
        await self._answer.begin(model=prepared.model.id, level=max(level, self._claimed.level))
        while True:
            last = self._iteration >= settings.CHAT_TOOL_ROUNDS or self._acting.stuck
            text, calls = await self._ask(prepared, may_act=not last)
            if not calls:
                return
            if last:
                self._answer.finish_reason = FinishReason.STOP.value
                if not self._answer.text:
                    await self._answer.say(
                        _("I could not finish this with the number of steps that I may take.")
                    )
                return
            calls = self._acting.named(calls)
            self._exchange.append(ChatMessage(role=Role.ASSISTANT, text=text, tool_calls=calls))
            self._exchange += await self._acting.perform(calls, iteration=self._iteration)
            self._iteration += 1

    async def _ask(self, prepared: Prepared, *, may_act: bool) -> tuple[str, tuple[ToolCall, ...]]:
        """Ask the model once; return what it said and the calls it asks for."""
        model, started = prepared.model, time.perf_counter()
        pieces: list[str] = []
        calls: list[ToolCall] = []
        first_ms: int | None = None
        detail: dict[str, object] = {"model": model.id, "iteration": self._iteration}
        self._said = False
        with self._trace.timed(StepKind.MODEL_CALL) as step:
            step.update(detail)
            try:
                async with contextlib.aclosing(
                    gateway.stream(
                        flow=Flow.CHAT_ANSWER,
                        request=self._request(prepared, may_act=may_act),
                        origin=self._origin(),
                        record=self._calls.append,
                    )
                ) as events:
                    async for event in events:
                        if first_ms is None:
                            first_ms = round((time.perf_counter() - started) * 1000)
                            step["first_ms"] = first_ms
                        match event:
                            case TextDelta():
                                self._said = True
                                pieces.append(event.text)
                                await self._answer.say(event.text)
                            case ReasoningDelta():
                                await self._answer.think(event.text)
                            case ToolCall():
                                calls.append(event)
                            case UsageReport():
                                step["prompt_tokens"] = event.usage.prompt_tokens
                                step["completion_tokens"] = event.usage.completion_tokens
                                step["cached_tokens"] = event.usage.cached_tokens
                                await self._answer.count(event.usage)
                            case Finished():
                                step["finish_reason"] = event.reason.value
                                self._answer.finish_reason = event.reason.value
            except KarenError as error:
                step["error"] = error.code
                raise
            finally:
                step["gateway"] = dict(self._calls[-1].steps) if self._calls else {}
            step["calls"] = [call.name[:64] for call in calls]
        return "".join(pieces), tuple(calls)

    def _request(self, prepared: Prepared, *, may_act: bool) -> ModelRequest:
        claimed, model = self._claimed, prepared.model
        temperature = claimed.settings.temperature
        return ModelRequest(
            model=model.id,
            messages=self._messages(prepared),
            max_tokens=prepared.answer_tokens,
            temperature=settings.CHAT_TEMPERATURE if temperature is None else temperature,
            partition=f"{claimed.tenant.id}:{claimed.conversation_id}",
            tools=prepared.tools,
            # The tools stay in the prompt: without them the provider's cache would be missed.
            tool_choice=None if may_act or not prepared.tools else "none",
        )

    def _origin(self) -> Origin:
        claimed = self._claimed
        return Origin(
            user_id=claimed.requester_id,
            turn_id=claimed.turn_id,
            attempt=claimed.attempt,
            step=len(self._calls),
            is_sensitive=claimed.settings.is_sensitive,
        )

    def _messages(self, prepared: Prepared) -> tuple[ChatMessage, ...]:
        prompt = prepared.messages
        if not prepared.model.supports_vision and any(each.images for each in prompt):
            prompt = tuple(_without_images(each) for each in prompt)
        if not self._exchange:
            return prompt
        window = int(prepared.model.context_tokens * _CONTEXT_SAFETY) - prepared.answer_tokens
        used = sum(estimated_tokens(each.text) for each in prompt)
        return prompt + fitting(self._exchange, budget_tokens=window - used)

    # -- beside the answer

    async def _save(self) -> bool:
        try:
            return await tenant_db(
                attempts.save_partial, claimed=self._claimed, text=self._answer.text
            )
        except DatabaseError:  # the end decides; a lost interim copy is not a lost answer
            logger.warning("turn.save_failed", turn_id=str(self._claimed.turn_id))
            return True

    async def _oversee(self, work: "asyncio.Task[None]") -> None:
        """Watch for a stop request or a lost lease; save the text every two seconds."""
        saved_at, saved_pieces = time.monotonic(), self._answer.pieces
        while not work.done():
            await asyncio.sleep(_POLL_S)
            if self._held.lost:
                self._stop = "lost"
            elif await cancel_requested(self._claimed.turn_id):
                self._stop = "cancelled"
            elif (
                time.monotonic() - saved_at >= _SAVE_EVERY_S and self._answer.pieces > saved_pieces
            ):
                saved_at, saved_pieces = time.monotonic(), self._answer.pieces
                if not await self._save():
                    self._stop = "lost"
            if self._stop:
                work.cancel()
                return


_pause_for = asyncio.sleep


def _without_images(message: ChatMessage) -> ChatMessage:
    if not message.images:
        return message
    note = _("[%(count)d image(s) that this model cannot see]") % {"count": len(message.images)}
    return replace(message, text=f"{message.text}\n\n{note}".strip(), images=())
