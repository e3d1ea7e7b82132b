"""Stage 5: the one place where a turn is run.

Claims it, assembles the prompt, lets the model reason and act, streams, and decides how it ended.
What the model may call is in `acting`, how the answer grows in `answering`, what happens without
the chosen model in `degradation`.
"""

import threading
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, OperationalError, close_old_connections

from apps.conversations import aftermath, metrics
from apps.conversations.acting import offered_tools
from apps.conversations.attempt import Attempt, Prepared
from apps.conversations.context import assemble_prompt
from apps.conversations.contracts import ClaimedTurn, TurnOutcome, TurnState
from apps.conversations.domain.steps import Step, StepKind
from apps.conversations.elsewhere import elsewhere, with_images
from apps.conversations.instructions import system_message
from apps.conversations.services import attempts, steps
from apps.conversations.tracing import Trace
from apps.core.concurrency import run_async
from apps.core.envelope import error_body
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.leases import LEASE_TTL_S, Held, kept_alive, new_owner
from apps.jobs.task import remaining_s
from apps.providers import ledger, selectors as providers
from apps.providers.contracts import ModelInfo
from apps.providers.ledger import CallRecord

logger = get_logger(__name__)

_DEADLINE_RESERVE_S = 5.0
_SETTLE_PAUSES_S = (0.5, 1.5, 3.0)


def run_turn(*, turn_id: UUID) -> None:
    """Answer a waiting turn; does nothing if it is not waiting any more.

    An exception nobody foresaw ends this attempt only: the task base keeps it as a dead letter, the
    lease runs out, and the reaper gives the turn its next attempt.
    """
    owner = new_owner()
    claimed = attempts.claim_turn(turn_id=turn_id, owner=owner, lease_ttl_s=LEASE_TTL_S)
    if claimed is None:
        logger.info("turn.not_waiting", turn_id=str(turn_id))
        return
    logger.info("turn.claimed", turn_id=str(turn_id), attempt=claimed.attempt, model=claimed.model)
    trace, calls = Trace(), list[CallRecord]()
    trace.add(StepKind.CLAIMED, model=claimed.model, messages=len(claimed.history))
    with kept_alive(owner) as held:
        try:
            outcome = _answered(claimed, held, trace, calls)
            if outcome is not None:
                _settle(claimed, outcome, held, trace, calls)
        finally:
            _record(claimed, trace.drain())
            for call in calls:  # of an attempt that was fenced off, handed over or lost its end
                ledger.record_call(call)


def _settle(
    claimed: ClaimedTurn, outcome: TurnOutcome, held: Held, trace: Trace, calls: list[CallRecord]
) -> None:
    """Keep the answer; a database that is away for moments must not cost minutes of work."""
    if outcome.level > 1:
        metrics.turns_degraded_total.labels(str(outcome.level)).inc()
    trace.add(
        StepKind.SETTLED,
        state=outcome.state.value,
        finish_reason=outcome.finish_reason,
        level=outcome.level,
        prompt_tokens=outcome.prompt_tokens,
        completion_tokens=outcome.completion_tokens,
        error=outcome.error["type"] if outcome.error else None,
    )
    # With the end, so that whoever hears of it may look at once.
    collected, pauses = trace.drain(), iter(_SETTLE_PAUSES_S)
    while True:
        try:
            if not aftermath.settle(claimed, outcome, collected, calls):
                _record(claimed, collected)  # fenced off: what it did is told all the same
                return
            calls.clear()
        except OperationalError:
            pause_s = next(pauses, None)
            if pause_s is None or held.lost:
                raise
            logger.warning("turn.settle_retried", turn_id=str(claimed.turn_id))
            close_old_connections()
            threading.Event().wait(pause_s)
        except DatabaseError:
            if not collected:
                raise
            _lose(claimed, collected)
            collected = []
        else:
            return


def _record(claimed: ClaimedTurn, collected: Sequence[Step]) -> None:
    try:
        steps.record_steps(claimed=claimed, steps=collected)
    except DatabaseError:
        _lose(claimed, collected)


def _lose(claimed: ClaimedTurn, collected: Sequence[Step]) -> None:
    # A trace explains an answer; it must not cost one.
    logger.warning("turn.trace_lost", turn_id=str(claimed.turn_id), steps=len(collected))
    close_old_connections()


def _answered(
    claimed: ClaimedTurn, held: Held, trace: Trace, calls: list[CallRecord]
) -> TurnOutcome | None:
    """Run one attempt.

    Returns:
        How it ended; None if it was taken over or handed over.
    """

    def prepare(model: ModelInfo) -> Prepared:
        return _prepared(claimed, model, trace)

    try:
        first = prepare(providers.get_model(claimed.model))
    except KarenError as error:
        metrics.chat_errors_total.labels(error.code).inc()
        return TurnOutcome(state=TurnState.FAILED, text=claimed.prefix, error=error_body(error))
    attempt = Attempt(claimed, held=held, trace=trace, prepare=prepare, calls=calls)
    return run_async(attempt.run(first, deadline_s=remaining_s() - _DEADLINE_RESERVE_S))


def _prepared(claimed: ClaimedTurn, model: ModelInfo, trace: Trace) -> Prepared:
    """Go through the stages before the model. Blocking."""
    answer_tokens = min(settings.CHAT_MAX_TOKENS, model.context_tokens // 4)
    with trace.timed(StepKind.INSTRUCTIONS) as detail:
        system = system_message(claimed)
        detail |= {
            "mode": claimed.settings.mode.value,
            "persona": claimed.settings.persona,
            "characters": len(system.text),
        }
    with trace.timed(StepKind.CONTEXT) as detail:
        prompt = assemble_prompt(
            claimed,
            model=model,
            system=system,
            answer_tokens=answer_tokens,
            elsewhere=elsewhere(),
        )
        messages = prompt.messages
        if model.supports_vision:
            messages = with_images(claimed, messages)
        detail |= {
            "messages": len(messages),
            "dropped": prompt.dropped,
            "tokens": prompt.tokens,
        }
    with trace.timed(StepKind.ROUTE) as detail:
        tools = offered_tools(claimed, model)
        detail |= {
            "model": model.id,
            "provider": model.provider,
            "tools": [tool.name for tool in tools],
        }
    return Prepared(
        model=model,
        messages=messages,
        tools=tools,
        answer_tokens=answer_tokens,
        context=prompt.context,
    )
