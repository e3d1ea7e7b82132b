"""Background work of conversations."""

from uuid import UUID

from apps.conversations import expiry, orchestrator
from apps.conversations.services import transfer
from apps.jobs.task import global_task, tenant_task


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
    name="conversations.import",
    queue="default",
    deadline_s=800,
    expires_s=3600,
    idempotency="goes on where it stopped",
)
def run_import(*, import_id: str) -> None:
    """Work off one import."""
    transfer.run_import(import_id=UUID(import_id))


@global_task(
    name="conversations.erase_expired",
    queue="default",
    deadline_s=240,
    expires_s=300,
    idempotency="state",
)
def erase_expired() -> None:
    """Erase temporary conversations whose time is over, in every workspace."""
    expiry.erase_everywhere()
