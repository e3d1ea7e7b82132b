"""Background work of conversations."""

from uuid import UUID

from apps.conversations import orchestrator
from apps.jobs.task import tenant_task


@tenant_task(
    name="conversations.run_turn",
    queue="chat",
    deadline_s=600,
    expires_s=90,
    idempotency="claimed by attempt",
)
def run_turn(*, turn_id: str) -> None:
    """Answer one turn."""
    orchestrator.run_turn(turn_id=UUID(turn_id))
