"""Stage 8: what follows an answer: keep it, count it, tell other tabs.

Summaries, memories and indexing join here.
"""

from apps.conversations import metrics
from apps.conversations.contracts import ClaimedTurn, TurnOutcome
from apps.conversations.services import turns
from apps.core.logging import get_logger

logger = get_logger(__name__)


def settle(claimed: ClaimedTurn, outcome: TurnOutcome) -> None:
    """End the attempt with `outcome`; a fenced attempt leaves no trace."""
    if not turns.finish_turn(claimed=claimed, outcome=outcome):
        return
    metrics.turns_total.labels(outcome.state.value).inc()
    if outcome.completion_tokens:
        metrics.tokens_streamed_total.inc(outcome.completion_tokens)
    logger.info(
        "turn.ended",
        turn_id=str(claimed.turn_id),
        attempt=claimed.attempt,
        state=outcome.state.value,
        model=claimed.model,
        completion_tokens=outcome.completion_tokens,
    )
