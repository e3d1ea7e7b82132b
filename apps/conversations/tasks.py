"""Background work of conversations."""

from uuid import UUID

from apps.conversations import (
    expiry,
    orchestrator,
    remembering,
    summaries as branch_summaries,
    titles,
)
from apps.conversations.attachments import chain, summaries, sweeping
from apps.conversations.search import upkeep
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


@tenant_task(
    name="conversations.process_attachment",
    queue="default",
    deadline_s=300,
    expires_s=90,
    idempotency="claimed by attempt",
)
def process_attachment(*, attachment_id: str, attempt: int) -> None:
    """Scan and read one file."""
    chain.process(attachment_id=UUID(attachment_id), attempt=attempt)


@tenant_task(
    name="conversations.summarise_attachment",
    queue="default",
    deadline_s=240,
    expires_s=3600,
    idempotency="writes only where none is",
)
def summarise_attachment(*, attachment_id: str) -> None:
    """Write the summary of one file."""
    summaries.summarise(attachment_id=UUID(attachment_id))


@tenant_task(
    name="conversations.sweep_attachments",
    queue="default",
    deadline_s=600,
    expires_s=3600,
    idempotency="state",
)
def sweep_attachments() -> None:
    """Remove files that nobody needs, in one workspace."""
    sweeping.sweep()


@global_task(
    name="conversations.sweep_all_attachments",
    queue="default",
    deadline_s=300,
    expires_s=3600,
    idempotency="state",
)
def sweep_all_attachments() -> None:
    """Have every workspace swept."""
    sweeping.sweep_all()


@tenant_task(
    name="conversations.index_conversations",
    queue="default",
    deadline_s=120,
    expires_s=3600,
    idempotency="overwrite",
    gathers="conversation_ids",
)
def index_conversations(*, conversation_ids: list[str]) -> None:
    """Bring the search index up to date with what changed in a second."""
    upkeep.index_conversations(conversation_ids=[UUID(each) for each in conversation_ids])


@tenant_task(
    name="conversations.embed_messages",
    queue="gpu.embedding",
    deadline_s=300,
    expires_s=3600,
    idempotency="overwrite",
)
def embed_messages() -> None:
    """Write the vectors of messages that have none."""
    upkeep.embed_waiting()


@tenant_task(
    name="conversations.export_search",
    queue="default",
    deadline_s=120,
    expires_s=3600,
    idempotency="overwrite",
)
def export_search() -> None:
    """Tell Elasticsearch what it does not know yet."""
    upkeep.export_waiting()


@global_task(
    name="conversations.catch_up_search",
    queue="default",
    deadline_s=300,
    expires_s=60,
    idempotency="state",
)
def catch_up_search() -> None:
    """Enqueue what every workspace's search index misses; measure how far it is behind."""
    upkeep.catch_up()


@global_task(
    name="conversations.tidy_search",
    queue="default",
    deadline_s=600,
    expires_s=3600,
    idempotency="state",
)
def tidy_search() -> None:
    """Forget words that no message of a workspace holds any more."""
    upkeep.tidy()


@tenant_task(
    name=remembering.REMEMBER_TASK,
    queue="gpu.consolidation",
    deadline_s=300,
    expires_s=86_400,
    idempotency="a message is taken in and learnt from once",
    gathers="turn_ids",
)
def remember_turns(*, turn_ids: list[str]) -> None:
    """Hand the turns that ended in a second to memory."""
    remembering.remember_turns(turn_ids=[UUID(each) for each in turn_ids])


@tenant_task(
    name=transfer.REMEMBER_IMPORTED_TASK,
    queue="gpu.consolidation",
    deadline_s=300,
    expires_s=7 * 86_400,
    idempotency="a message is taken in and learnt from once",
)
def remember_imported(*, conversation_ids: list[str], after: str = "") -> None:
    """Hand what was said in imported conversations to memory."""
    remembering.remember_imported(
        conversation_ids=[UUID(each) for each in conversation_ids],
        after=UUID(after) if after else None,
    )


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
    branch_summaries.summarise_branch(message_id=UUID(message_id), model_id=model)
