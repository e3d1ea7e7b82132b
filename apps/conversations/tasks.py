"""Background work of conversations."""

from uuid import UUID

from apps.conversations import orchestrator, summaries, titles
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


@tenant_task(
    name="conversations.write_title",
    queue="chat",
    deadline_s=90,
    expires_s=600,
    idempotency="a conversation is titled once",
)
def write_title(*, turn_id: str) -> None:
    """Have the model write a conversation's title."""
    titles.write_title(turn_id=UUID(turn_id))


@tenant_task(
    name="conversations.summarise_branch",
    queue="gpu.consolidation",
    deadline_s=600,
    expires_s=3600,
    idempotency="one summary per message and version",
)
def summarise_branch(*, message_id: str, model: str) -> None:
    """Have the model summarise the beginning of a branch."""
    summaries.summarise_branch(message_id=UUID(message_id), model_id=model)
