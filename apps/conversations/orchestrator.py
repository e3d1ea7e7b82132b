"""Stage 5: the one place where a turn is run.

Claims it, assembles the prompt, asks the gateway, streams, and decides how it ended.
"""

import asyncio
import contextlib
import threading
import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, OperationalError, close_old_connections

from apps.conversations import aftermath, metrics
from apps.conversations.context import assemble_prompt
from apps.conversations.contracts import (
    ClaimedTurn,
    Prompt,
    StartEvent,
    TurnOutcome,
    TurnState,
    UsageEvent,
)
from apps.conversations.errors import AnswerTimedOut
from apps.conversations.instructions import system_message
from apps.conversations.services import turns
from apps.conversations.stream import TurnWriter, cancel_requested
from apps.core.concurrency import run_async, tenant_db
from apps.core.envelope import error_body
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.leases import LEASE_TTL_S, Held, kept_alive, new_owner
from apps.jobs.task import remaining_s
from apps.providers import gateway, selectors as providers
from apps.providers.contracts import (
    Finished,
    Flow,
    ModelInfo,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)
from apps.providers.errors import ProviderInterrupted

logger = get_logger(__name__)

_POLL_S = 0.2
_SAVE_EVERY_S = 2.0
_DEADLINE_RESERVE_S = 5.0
_SETTLE_PAUSES_S = (0.5, 1.5, 3.0)


def run_turn(*, turn_id: UUID) -> None:
    """Answer a waiting turn; does nothing if it is not waiting any more.

    An exception nobody foresaw ends this attempt only: the task base keeps it as a dead letter, the
    lease runs out, and the reaper gives the turn its next attempt.
    """
    owner = new_owner()
    claimed = turns.claim_turn(turn_id=turn_id, owner=owner, lease_ttl_s=LEASE_TTL_S)
    if claimed is None:
        logger.info("turn.not_waiting", turn_id=str(turn_id))
        return
    logger.info("turn.claimed", turn_id=str(turn_id), attempt=claimed.attempt, model=claimed.model)
    with kept_alive(owner) as held:
        outcome = _answered(claimed, held)
        if outcome is not None:
            _settle(claimed, outcome, held)


def _settle(claimed: ClaimedTurn, outcome: TurnOutcome, held: Held) -> None:
    """Keep the answer; a database that is away for moments must not cost minutes of work."""
    for pause_s in (*_SETTLE_PAUSES_S, None):
        try:
            aftermath.settle(claimed, outcome)
        except OperationalError:
            if pause_s is None or held.lost:
                raise
            logger.warning("turn.settle_retried", turn_id=str(claimed.turn_id))
            close_old_connections()
            threading.Event().wait(pause_s)
        else:
            return


def _answered(claimed: ClaimedTurn, held: Held) -> TurnOutcome | None:
    answer = _Answer(claimed, held)
    try:
        model = providers.get_model(claimed.model)
        prompt = assemble_prompt(
            claimed,
            model=model,
            system=system_message(claimed),
            answer_tokens=_answer_tokens(model),
        )
        answer.context = prompt.context
        return run_async(
            answer.stream(model, prompt, deadline_s=remaining_s() - _DEADLINE_RESERVE_S)
        )
    except KarenError as error:
        metrics.chat_errors_total.labels(error.code).inc()
        return answer.outcome(TurnState.FAILED, error=error)


def _answer_tokens(model: ModelInfo) -> int:
    return min(settings.CHAT_MAX_TOKENS, model.context_tokens // 4)


class _Answer:
    """One attempt's answer while it grows."""

    def __init__(self, claimed: ClaimedTurn, held: Held) -> None:
        self._claimed = claimed
        self._held = held
        self._pieces: list[str] = []
        self._usage: Usage | None = None
        self._finish_reason = ""
        self._stop = ""
        self.context: dict[str, Any] | None = None

    def outcome(self, state: TurnState, *, error: KarenError | None = None) -> TurnOutcome:
        """Return how the attempt ended, with the text so far."""
        return TurnOutcome(
            state=state,
            text="".join(self._pieces),
            finish_reason=self._finish_reason,
            error=error_body(error) if error else None,
            prompt_tokens=self._usage.prompt_tokens if self._usage else None,
            completion_tokens=self._usage.completion_tokens if self._usage else None,
            usage_estimated=self._usage.estimated if self._usage else False,
            context=self.context,
        )

    async def stream(
        self, model: ModelInfo, prompt: Prompt, *, deadline_s: float
    ) -> TurnOutcome | None:
        """Ask the model and stream what it says.

        Returns:
            How it ended; None if another attempt has taken over.
        """
        writer = TurnWriter(self._claimed.turn_id, self._claimed.attempt)
        await writer.event(StartEvent(attempt=self._claimed.attempt, model=self._claimed.model))
        consumer = asyncio.create_task(self._consume(model, prompt, writer))
        overseer = asyncio.create_task(self._oversee(consumer))
        try:
            async with asyncio.timeout(deadline_s if deadline_s < float("inf") else None):
                await consumer
        except TimeoutError:
            return self.outcome(TurnState.FAILED, error=AnswerTimedOut())
        except ProviderInterrupted as error:
            return self.outcome(TurnState.INTERRUPTED, error=error)
        except asyncio.CancelledError:
            if self._stop == "lost":
                return None
            if self._stop != "cancelled":
                raise
            return self.outcome(TurnState.CANCELLED)
        finally:
            overseer.cancel()
            await asyncio.gather(overseer, return_exceptions=True)
            await writer.close("".join(self._pieces))
        return self.outcome(TurnState.COMPLETED)

    async def _consume(self, model: ModelInfo, prompt: Prompt, writer: TurnWriter) -> None:
        claimed, started = self._claimed, time.perf_counter()
        request = ModelRequest(
            model=model.id,
            messages=prompt.messages,
            max_tokens=_answer_tokens(model),
            temperature=settings.CHAT_TEMPERATURE,
            partition=f"{claimed.tenant.id}:{claimed.conversation_id}",
        )
        async with contextlib.aclosing(
            gateway.stream(flow=Flow.CHAT_ANSWER, request=request)
        ) as events:
            async for event in events:
                match event:
                    case TextDelta():
                        if not self._pieces:
                            metrics.chat_latency_seconds.observe(time.perf_counter() - started)
                        self._pieces.append(event.text)
                        await writer.delta(event.text)
                    case UsageReport():
                        self._usage = event.usage
                        await writer.event(
                            UsageEvent(
                                attempt=claimed.attempt,
                                prompt_tokens=event.usage.prompt_tokens,
                                completion_tokens=event.usage.completion_tokens,
                                estimated=event.usage.estimated,
                            )
                        )
                    case Finished():
                        self._finish_reason = event.reason.value
                    case ReasoningDelta() | ToolCall():
                        # Reasoning is never shown unless configured; no tools are offered yet.
                        continue

    async def _save(self) -> bool:
        text = "".join(self._pieces)
        try:
            return await tenant_db(turns.save_partial, claimed=self._claimed, text=text)
        except DatabaseError:  # the end decides; a lost interim copy is not a lost answer
            logger.warning("turn.save_failed", turn_id=str(self._claimed.turn_id))
            return True

    async def _oversee(self, consumer: "asyncio.Task[None]") -> None:
        """Watch for a stop request or a lost lease; save the text every two seconds."""
        saved_at, saved_pieces = time.monotonic(), 0
        while not consumer.done():
            await asyncio.sleep(_POLL_S)
            if self._held.lost:
                self._stop = "lost"
            elif await cancel_requested(self._claimed.turn_id):
                self._stop = "cancelled"
            elif time.monotonic() - saved_at >= _SAVE_EVERY_S and len(self._pieces) > saved_pieces:
                saved_at, saved_pieces = time.monotonic(), len(self._pieces)
                if not await self._save():
                    self._stop = "lost"
            if self._stop:
                consumer.cancel()
                return
